"""Inputs: where the images to classify are."""
