"""Download, check, merge and copy surveys."""
