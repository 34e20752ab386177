"""Predict arrays with a bundle, for all models."""
