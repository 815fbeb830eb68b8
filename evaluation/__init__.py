"""Runs, measures, judges and reports candidates for the product catalog."""
