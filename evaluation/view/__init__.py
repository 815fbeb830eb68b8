"""What a run shows while it works: lines, a bar, JSON events."""
