"""Measures candidates: the suite, the work of single requests, load, page costs, signs of tampering."""
