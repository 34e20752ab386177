"""Simulate a survey."""

import os
from pathlib import Path

from galaxies.errors import run_stage
from galaxies.settings import load_settings
from galaxies.simulated.survey import simulate_survey


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    simulate_survey(Path("data/simulated"), settings.simulate, workers=len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    run_stage(main)
