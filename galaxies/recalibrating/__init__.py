"""Calibrate a bundle for another survey: with votes, or with images only."""
