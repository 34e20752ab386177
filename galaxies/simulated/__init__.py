"""The simulated survey: its galaxies, camera and volunteers."""
