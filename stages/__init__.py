"""One script for each stage of dvc.yaml, with the same name."""
