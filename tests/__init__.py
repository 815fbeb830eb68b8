"""What any candidate must do, seen from outside."""
