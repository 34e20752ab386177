"""Pages for a browser on this machine: label galaxies, and explore a model."""
