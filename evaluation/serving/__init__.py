"""Candidates and the null server as running processes: forked, confined, probed, and always stopped."""
