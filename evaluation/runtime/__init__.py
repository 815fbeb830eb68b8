"""Stands it all up: services, dataset, candidates, and the means to look at them."""
