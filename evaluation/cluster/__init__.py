"""Gradings on more than one machine, by way of a Dask scheduler."""
