"""Proof of the grader: what becomes of mutants, alternatives and cheats, and whether gradings repeat."""
