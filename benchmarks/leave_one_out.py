"""How a bundle does on a survey that it has not seen, cut out by somebody else.

Each survey is left out in turn: the network is trained on all others, starting from the shipped
`simulated` one, and judged on every galaxy of the one that it has not seen. Scores are those of the
bundle as it is; beside them, whether it notices that this is another survey, and what its promises
would have been worth, had it decided anyway. `familiar` must be false wherever a promise would not
have been kept.

    python -m benchmarks.leave_one_out --data ../shared/data

The folder of surveys is taken from $GALAXY_DATA where `--data` is not given.
"""

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.outputs import write_json
from galaxies.base.questions import ALL_COLUMNS, FIRST, Campaign, chosen_by_answer
from galaxies.dataset.layout import IMAGES, read_campaign
from galaxies.dataset.packing import pack_images
from galaxies.dataset.votes import read_survey_votes
from galaxies.judging.scores import expected_calibration_error
from galaxies.learning.bundle import Description
from galaxies.learning.class_shares import estimate_spiral_share, odds_factor
from galaxies.learning.familiarity import count
from galaxies.learning.outputs import p_spiral
from galaxies.learning.parts import Part, Votes
from galaxies.learning.training import Seen, TrainingGalaxies, train
from galaxies.models.cnn import Cnn, fit
from galaxies.settings import Settings, load_settings

SURVEYS = ("gz1", "gz1b", "gz2", "kaggle", "odd", "mergers")
LEFT_OUT = ("gz1", "gz1b", "gz2", "kaggle")
"""Those that have both classes."""

BINS = 15


class Survey(NamedTuple):
    """A packed survey."""

    images: Pixels
    galaxy_id: npt.NDArray[np.int64]
    sha1: npt.NDArray[np.str_]
    votes: Votes


def read_survey(folder: Path, packed: Path, settings: Settings) -> Survey:
    """Pack a survey into a scratch folder."""
    array = packed / f"{folder.name}.npy"
    pack = settings.pack
    images = pack_images(
        folder / IMAGES,
        array,
        size=pack.size,
        crop=pack.crop,
        decoding=pack.decoding,
        max_unreadable=pack.max_unreadable,
        workers=len(os.sched_getaffinity(0)),
    ).table
    table = images.merge(read_survey_votes(folder, settings.volunteers), on="galaxy_id")
    return Survey(
        open_array(array)[table["row"].to_numpy()],
        table["galaxy_id"].to_numpy(np.int64),
        table["sha1"].to_numpy(str),
        Votes(table[list(ALL_COLUMNS)].to_numpy(np.float32), table["volunteers"].to_numpy()),
    )


def without(surveys: dict[str, Survey], left_out: str, seed: int) -> TrainingGalaxies:
    """Put the other surveys together; a fifth of the galaxies validates.

    Images that are in the left-out survey as well are dropped, whatever their IDs.
    """
    others = [survey for name, survey in surveys.items() if name != left_out]
    known = np.concatenate([one.sha1 for one in others])
    kept = ~np.isin(known, surveys[left_out].sha1)
    ids = np.concatenate([one.galaxy_id for one in others])
    _, first = np.unique(ids, return_index=True)
    kept &= np.isin(np.arange(len(ids)), first)
    kept &= ~np.isin(ids, surveys[left_out].galaxy_id)
    images = np.concatenate([one.images for one in others])[kept]
    votes = Votes(
        *(np.concatenate(one)[kept] for one in zip(*(o.votes for o in others), strict=True))
    )
    chosen = chosen_by_answer(votes.shares, votes.volunteers == 0)[:, 0]
    campaign: Campaign = "gz2" if (votes.labels("gz2")[~chosen] >= 0).any() else "gz1"
    labels = votes.labels(campaign)
    labels = np.where(chosen, -1, labels) if campaign == "gz2" else labels
    order = np.random.default_rng(seed).permutation(len(images))

    def part(rows: npt.NDArray[np.int64]) -> Part:
        rows = np.sort(rows)
        first_answers = votes.shares[rows][:, FIRST[campaign].places]
        table = pd.DataFrame({"galaxy_id": ids[kept][rows]})
        table[["p_smooth", "p_features", "p_artifact"]] = first_answers
        return Part(table, rows, labels[rows], Votes(*(one[rows] for one in votes)))

    fifth = len(order) // 5
    return TrainingGalaxies(images, part(order[fifth:]), part(order[:fifth]), "others", "")


def judge(network: Cnn, description: Description, survey: Survey) -> dict[str, Any]:
    """Score a network on a survey that it has not seen, by the survey's own question."""
    labels = survey.votes.labels(description.campaign)
    known = labels >= 0
    outputs, labels = network.predict(survey.images[known]), labels[known]
    raw = p_spiral(outputs, description.campaign)
    p = description.calibration(raw)
    assert description.known is not None
    assert description.outputs is not None
    counts = count(description.known.places(outputs))
    share = description.outputs.spiral_share
    moved = odds_factor(share, estimate_spiral_share(p, share))
    adjusted = description.calibration.with_odds(moved)(raw)
    scores: dict[str, Any] = {
        "campaign": description.campaign,
        "galaxies": len(labels),
        "spirals": float(labels.mean()),
        "roc_auc": float(roc_auc_score(labels, p)),
        "accuracy": float(((p > 0.5) == labels).mean()),
        "ece": expected_calibration_error(labels, p.astype(np.float64), BINS),
        "accuracy_by_shares": float(((adjusted > 0.5) == labels).mean()),
        "ece_by_shares": expected_calibration_error(labels, adjusted.astype(np.float64), BINS),
        "distance": description.known.distance(counts),
        "familiar": description.known.familiar(counts),
    }
    for promise in description.triage:
        name = f"{100 * promise.agreement:g}"
        if promise.threshold is not None:
            decided = np.maximum(p, 1 - p) >= promise.threshold
            scores[f"decided_{name}"] = float(decided.mean())
            agreed = ((p > 0.5) == labels)[decided]
            scores[f"agreed_{name}"] = float(agreed.mean()) if decided.any() else None
    return scores


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--only", choices=LEFT_OUT, nargs="*", default=LEFT_OUT)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--counted", type=float, default=2.0, help="cnn.residual.counted")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/leave_one_out.json"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of surveys by --data or $GALAXY_DATA")
    settings = load_settings()
    update: dict[str, object] = {"counted": options.counted}
    if options.epochs is not None:
        update["epochs"] = options.epochs
    residual = settings.cnn.residual.model_copy(update=update)
    cnn = settings.cnn.model_copy(update={"residual": residual})
    with tempfile.TemporaryDirectory() as scratch:
        surveys = {
            name: read_survey(options.data / name, Path(scratch), settings) for name in SURVEYS
        }
    seen = Seen(settings.pack.size, settings.pack.crop, settings.pack.decoding, 1)
    rows: dict[str, Any] = {}
    for name in options.only:
        galaxies = without(surveys, name, settings.split.seed)
        trained = train("cnn", partial(fit, settings=cnn), galaxies, seen, settings.triage)
        description = trained.description.by(read_campaign(options.data / name))
        rows[name] = {
            "learned_from": trained.description.galaxies,
            **judge(trained.fit.model, description, surveys[name]),
        }
        print(name, rows[name])
        write_json(options.output, {"epochs": residual.epochs, "surveys": rows})
    print(pd.DataFrame(rows).T.to_string())


if __name__ == "__main__":
    main()
