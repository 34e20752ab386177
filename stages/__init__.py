"""One script per stage of dvc.yaml, named after it."""
