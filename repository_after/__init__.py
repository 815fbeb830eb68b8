"""A product catalog over HTTP."""
