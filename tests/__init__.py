"""The black-box suite: what every candidate must do."""
