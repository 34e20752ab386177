"""A model on disk: its description, files and predictions."""
