"""InceptionV3 as a fixed feature extractor, and the simple classifier on its features."""
