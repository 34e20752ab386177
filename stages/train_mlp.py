"""Train the network with one hidden layer."""

from functools import partial
from pathlib import Path

from galaxies.errors import run_stage
from galaxies.models.mlp import fit
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
        "mlp", partial(fit, settings=settings.mlp), galaxies, preparation, settings.triage
    )
    trained.save(
        Path("models/mlp"), Path("metrics/train_mlp.json"), Path("metrics/learning/mlp.json")
    )


if __name__ == "__main__":
    run_stage(main)
