"""Train the classifier on top of InceptionV3."""

from functools import partial
from pathlib import Path

from galaxies.errors import run_stage
from galaxies.models.inception.classifier import fit
from galaxies.settings import load_settings
from galaxies.training.training import Preparation, open_galaxies, train


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    data = Path("data")
    galaxies = open_galaxies(
        data / "split.parquet",
        data / "images.parquet",
        data / "features.npy",
        settings.survey,
        looks=data / "looks.npy",
    )
    fit_it = partial(fit, settings=settings.inception, backbone=Path("models/inception_backbone"))
    preparation = Preparation(
        settings.inception.size, settings.inception.crop, settings.pack.decoding
    )
    trained = train("inception", fit_it, galaxies, preparation, settings.triage)
    trained.save(
        Path("models/inception"),
        Path("metrics/train_inception.json"),
        Path("metrics/learning/inception.json"),
    )


if __name__ == "__main__":
    run_stage(main)
