"""Random walks: requests, changes and pauses, whose answers a model of the contract foretells."""
