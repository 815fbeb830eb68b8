"""Judges what was measured: pure functions of records."""
