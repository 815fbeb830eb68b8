"""Timings of single requests; `make benchmark` runs them, the suite does not."""
