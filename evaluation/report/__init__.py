"""Writes and reads reports: JSON, terminal, Markdown, JUnit and files of predictions."""
