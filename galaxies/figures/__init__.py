"""All figures and tables of the pipeline."""
