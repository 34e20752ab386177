"""The simulated survey: galaxies, the camera that sees them and the volunteers who vote on them."""
