"""Speed, memory and design choices, measured; each prints a table and writes a JSON."""
