"""What an answer is worth: calibration, promises, familiarity and scores."""
