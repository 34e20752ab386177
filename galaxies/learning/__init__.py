"""Shared by all models in training: parts, views, calibration, promises and the bundle."""
