"""What all models share when they learn: parts, views, calibration, promises and the bundle."""
