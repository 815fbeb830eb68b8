"""Timings of single requests; run by `make benchmark`, never by the suite."""
