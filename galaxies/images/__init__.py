"""Decode image files to pixels."""
