"""What a network sees in a galaxy."""
