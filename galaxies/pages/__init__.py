"""Pages for a browser on this machine: galaxies to label, and a model to try out."""
