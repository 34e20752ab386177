"""Classify any number of images with a bundle."""
