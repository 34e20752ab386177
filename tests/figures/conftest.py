"""What figures are drawn of in tests."""

import numpy as np
import pandas as pd
import pytest

from galaxies.figures.curves import (
    Result,
)
from galaxies.figures.galleries import (
    Portrait,
)
from galaxies.questions.campaign import CLASSES

LARGE_ID = 587722952767439450  # beyond what a float64 can hold


@pytest.fixture
def split():
    """Ten galaxies of each class, IDs from `LARGE_ID`, the even ones in the test part."""
    count = 20
    p_features = np.linspace(0.01, 0.99, count).astype(np.float32)
    return pd.DataFrame(
        {
            "galaxy_id": LARGE_ID + np.arange(count),
            "split": ["test", "train"] * (count // 2),
            "label": [CLASSES[int(p > 0.5)] for p in p_features],
            "p_smooth": 1 - p_features,
            "p_features": p_features,
            "p_artifact": np.zeros(count, np.float32),
        }
    )


@pytest.fixture
def packed(split):
    # Stored the other way round, so that a row is not taken for a place in the split.
    ids = split["galaxy_id"].to_numpy()[::-1]
    return pd.DataFrame({"galaxy_id": ids, "row": np.arange(len(ids), dtype=np.int32)})


def predicted(split, p_spiral):
    test = split[split["split"] == "test"]
    return pd.DataFrame(
        {"galaxy_id": test["galaxy_id"], "p_spiral": np.array(p_spiral, np.float32)}
    )


def portrait(**changes):
    image = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Portrait(image, LARGE_ID, (0.7, 0.2, 0.1), 0.25)._replace(**changes)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def result(model):
    random = np.random.default_rng(2)
    labels = random.integers(0, 2, 60)
    names = np.array(CLASSES)
    epochs = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_loss": [0.7, 0.5, 0.3],
            "validation_loss": [0.6, 0.4, 0.45],
            "train_accuracy": [0.5, 0.7, 0.9],
            "validation_accuracy": [0.6, 0.8, 0.75],
        }
    )
    candidates = {
        "tree": pd.DataFrame({"leaves": [9, 3, 3], "loss": [0.6, 0.5, 0.7], "accuracy": 0.8}),
        "inception": pd.DataFrame({"regularisation": [1.0, 0.1], "loss": [0.4, 0.5]}),
    }
    return Result(
        model=model,
        scores={
            "model": f"the {model}",
            "accuracy": 0.8,
            "accuracy_low": 0.7,
            "accuracy_high": 0.9,
            "roc_auc": 0.85,
            "roc_auc_low": 0.81,
            "roc_auc_high": 0.89,
            "ece": 0.02,
            "ece_by_chance": 0.015,
            "brier": 0.13,
            "triage": {
                "90%": {
                    "decided": 0.6,
                    "agreement": 0.92,
                    "agreement_low": 0.91,
                    "agreement_high": 0.93,
                    "verdict": "kept",
                    "threshold": 0.8,
                },
                "99%": {"decided": 0.0, "galaxies_left": 60},
            },
        },
        p_spiral=random.random(60, dtype=np.float32),
        confusion=pd.DataFrame({"actual": names[labels], "predicted": names[labels]}),
        roc=pd.DataFrame(
            {"false_positive_rate": [0.0, 0.2, 1.0], "true_positive_rate": [0.0, 0.8, 1.0]}
        ),
        reliability=pd.DataFrame(
            {
                "predicted": [0.2, 0.8],
                "observed": [0.25, 0.7],
                "galaxies": [30, 30],
                "low": [0.07, 0.63],
                "high": [0.37, 0.93],
            }
        ),
        triage=pd.DataFrame({"decided": [0.5, 1.0], "agreement": [0.95, 0.8]}),
        agreement=pd.DataFrame(
            {"agreement": [0.55, 0.95], "accuracy": [0.6, 0.9], "galaxies": [20, 40]}
        ),
        learning=candidates.get(model, epochs),
    )
