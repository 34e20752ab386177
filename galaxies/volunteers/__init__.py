"""Ask volunteers, read their answers, and audit the machine's decisions."""
