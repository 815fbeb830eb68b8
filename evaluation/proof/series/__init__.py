"""The way from the baseline to the reference in seventeen steps, one for each requirement and one beyond."""
