"""A trained bundle at work on any number of images."""
