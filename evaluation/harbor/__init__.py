"""Task folders for Harbor: how they are written, and the rewards that their verifier tells."""
