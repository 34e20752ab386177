"""`python -m galaxies.cli` is the command `galaxies`."""

from galaxies.cli import main

if __name__ == "__main__":
    main()
