"""The machine that an evaluation runs on: its variables, its limits, its addresses."""
