"""What happened: the suite, the work of single requests, bursts of clients."""
