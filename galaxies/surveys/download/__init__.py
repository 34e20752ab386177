"""Published surveys, fetched over the internet."""
