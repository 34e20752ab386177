"""Benchmarks of speed, memory and design choices. Each prints a table and writes a JSON file."""
