"""Candidates and the null server as running processes: forked, sandboxed, probed, and always stopped."""
