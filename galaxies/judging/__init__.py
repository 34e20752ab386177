"""How good the predictions for test galaxies are, and what promises were worth."""
