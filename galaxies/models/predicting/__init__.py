"""A bundle at work on arrays: what every model predicts with."""
