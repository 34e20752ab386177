"""All pictures and tables that the pipeline makes."""
