"""Train the decision tree."""

from functools import partial
from pathlib import Path

from galaxies.errors import run_stage
from galaxies.models.tree import fit
from galaxies.settings import load_settings
from galaxies.training.training import Preparation, open_galaxies, train


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    data = Path("data")
    galaxies = open_galaxies(
        data / "split.parquet", data / "images.parquet", data / "images.npy", settings.survey
    )
    preparation = Preparation(settings.pack.size, settings.pack.crop, settings.pack.decoding)
    trained = train(
        "tree", partial(fit, settings=settings.tree), galaxies, preparation, settings.triage
    )
    trained.save(
        Path("models/tree"), Path("metrics/train_tree.json"), Path("metrics/learning/tree.json")
    )


if __name__ == "__main__":
    run_stage(main)
