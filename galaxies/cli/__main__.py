"""`python -m galaxies.cli` is the command `galaxies`."""

from galaxies.cli import main

main()
