"""Proof of the grader: it grades mutants, alternatives and cheats, and repeats gradings."""
