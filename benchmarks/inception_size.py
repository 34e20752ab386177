"""Accuracy and speed of InceptionV3 at several input sizes, to choose `inception.size`.

The classifier is scored on the validation galaxies, never on the test galaxies.

    python -m benchmarks.inception_size --sizes 75 107 139 171
"""

import argparse
import os
import time
from pathlib import Path

import pandas as pd
from sklearn.metrics import roc_auc_score

from galaxies.base.arrays import open_array
from galaxies.base.outputs import write_json
from galaxies.dataset.layout import IMAGES, survey_file
from galaxies.models.inception.classifier import fit
from galaxies.models.inception.extraction import survey_features
from galaxies.settings import load_settings
from galaxies.training.parts import galaxies_of


def main() -> None:
    """Compute the features of the survey at each size, after `dvc repro split backbone`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[75, 107, 139, 171])
    parser.add_argument("--crops", type=float, nargs="+", default=[0.5])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/inception_size.json"))
    options = parser.parse_args()
    settings = load_settings()
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    train, validation = (galaxies_of(split, packed, part) for part in ("train", "validation"))
    file = options.output.with_suffix(".npy")
    backbone = Path("models/inception_backbone")
    rows = []
    for crop in options.crops:
        for size in options.sizes:
            start = time.perf_counter()
            count = survey_features(
                survey_file(Path("data", settings.survey), IMAGES),
                backbone,
                file,
                size=size,
                crop=crop,
                decoding=settings.pack.decoding,
                max_unreadable=settings.pack.max_unreadable,
                workers=len(os.sched_getaffinity(0)),
            )
            seconds = time.perf_counter() - start
            features = open_array(file)
            fitted = fit(features, train, validation, settings.inception, backbone)
            p = fitted.model.predict(features[validation.rows])
            rows.append(
                {
                    "size": size,
                    "crop": crop,
                    "galaxies_per_second": count / seconds,
                    **fitted.chosen,
                    "roc_auc": float(roc_auc_score(validation.labels, p)),
                }
            )
    file.unlink()
    write_json(options.output, rows)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
