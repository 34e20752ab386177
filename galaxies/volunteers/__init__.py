"""The way to volunteers and back: subject sets for Zooniverse, and surveys of their votes."""
