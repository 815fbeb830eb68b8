"""How it is told: JSON and the terminal."""
