"""Scores of the predictions for test galaxies, and of the promises."""
