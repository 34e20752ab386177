"""Asking volunteers, reading their answers, and auditing what a machine decided."""
