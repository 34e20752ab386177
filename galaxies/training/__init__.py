"""Train a model: parts, fitting, calibration, promises, description."""
