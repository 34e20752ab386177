"""Get the weights of InceptionV3."""

from pathlib import Path

from galaxies.errors import run_stage
from galaxies.models.inception.backbone import make_backbone
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    folder = Path("models/inception_backbone")
    weights = make_backbone(folder, settings.inception.weights, settings.inception.seed)
    print(f"{folder}: {weights.title}, {weights.detail}")


if __name__ == "__main__":
    run_stage(main)
