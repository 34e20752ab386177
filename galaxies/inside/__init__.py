"""Look inside a network: evidence, channels, and tests of both."""
