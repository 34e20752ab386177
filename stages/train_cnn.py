"""Train the convolutional network."""

from functools import partial
from pathlib import Path

from galaxies.errors import run_stage
from galaxies.models.cnn import fit
from galaxies.settings import load_settings
from galaxies.training.training import Preparation, open_galaxies, train


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    data = Path("data")
    galaxies = open_galaxies(
        data / "split.parquet",
        data / "images.parquet",
        data / "images.npy",
        settings.survey,
        data / "votes.parquet" if settings.cnn.recipe == "residual" else None,
    )
    preparation = Preparation(
        settings.pack.size, settings.pack.crop, settings.pack.decoding, settings.cnn.views
    )
    trained = train(
        "cnn", partial(fit, settings=settings.cnn), galaxies, preparation, settings.triage,
        settings.cnn.folds,
    )  # fmt: skip
    trained.save(
        Path("models/cnn"), Path("metrics/train_cnn.json"), Path("metrics/learning/cnn.json")
    )


if __name__ == "__main__":
    run_stage(main)
