"""How well a bundle does on a survey that it was not trained on.

Each survey is left out in turn: the network is trained on all others, starting from the pretrained
bundle `simulated`, and tested on every galaxy of the survey that was left out. If the bundle finds
that the galaxies resemble one of its training surveys, the calibration of that survey is used. The
results also say whether the bundle notices that the survey is new, and whether its promises would
have been kept if it had decided anyway. Where one would not, `familiar` must be false.

    python -m benchmarks.leave_one_out --data ../shared/data

With `--bundles FOLDER` the trained bundles are kept, one for each survey left out; `promises` and
`finetuning` use them. With `--halves` the network is trained once, on the training halves of `gz1`,
`gz2` and `kaggle` (the pipeline's protocol) and all of the other surveys, and tested on the three
test halves.

Without `--data`, the folder of surveys is $GALAXY_DATA.
"""

import argparse
import json
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
from galaxies.bundle.answers import ANSWERS, p_spiral
from galaxies.bundle.description import Description
from galaxies.dataset.layout import IMAGES, read_campaign
from galaxies.dataset.packing import pack_images
from galaxies.dataset.splitting import split_galaxies
from galaxies.dataset.votes import campaign_of, read_survey_votes
from galaxies.judgement.class_shares import estimate_spiral_share, odds_factor
from galaxies.judgement.familiarity import count
from galaxies.judgement.miscalibration import expected_calibration_error
from galaxies.judgement.vote_scores import Answered, score_answers
from galaxies.models.cnn import Cnn, fit
from galaxies.questions.campaign import Campaign
from galaxies.settings import Settings, load_settings
from galaxies.training.parts import Part, Votes
from galaxies.training.training import Seen, TrainingGalaxies, train

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
    """Pack a survey into a temporary folder."""
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


def take(survey: Survey, some: npt.NDArray[np.bool_]) -> Survey:
    """Select some galaxies of a survey."""
    images, ids, sha1, votes = survey
    return Survey(images[some], ids[some], sha1[some], Votes(*(one[some] for one in votes)))


def in_test(survey: Survey, settings: Settings) -> npt.NDArray[np.bool_]:
    """Find the galaxies that the pipeline would test on if it ran on this survey alone."""
    table = pd.DataFrame(survey.votes.shares, columns=list(ALL_COLUMNS))
    table.insert(0, "galaxy_id", survey.galaxy_id)
    table["volunteers"] = survey.votes.volunteers
    first = table[["galaxy_id", *FIRST[campaign_of(table)].columns]]
    first.columns = ["galaxy_id", "p_smooth", "p_features", "p_artifact"]
    images = pd.DataFrame({"galaxy_id": survey.galaxy_id, "sha1": survey.sha1})
    split = split_galaxies(first, images, settings.split).table
    test = split.loc[split["split"] == "test", "galaxy_id"]
    return np.isin(survey.galaxy_id, test)


def together(others: dict[str, Survey], judged: list[Survey], seed: int) -> TrainingGalaxies:
    """Merge surveys for training; a fifth of the galaxies is for validation.

    Galaxies of the test set are dropped, by their pixels and by their IDs.
    """
    names = np.repeat(list(others), [len(one.images) for one in others.values()])
    surveys = list(others.values())
    known = np.concatenate([one.sha1 for one in surveys])
    kept = ~np.isin(known, np.concatenate([one.sha1 for one in judged]))
    ids = np.concatenate([one.galaxy_id for one in surveys])
    _, first = np.unique(ids, return_index=True)
    kept &= np.isin(np.arange(len(ids)), first)
    kept &= ~np.isin(ids, np.concatenate([one.galaxy_id for one in judged]))
    images = np.concatenate([one.images for one in surveys])[kept]
    votes = Votes(
        *(np.concatenate(one)[kept] for one in zip(*(o.votes for o in surveys), strict=True))
    )
    chosen = chosen_by_answer(votes.shares, votes.volunteers == 0)[:, 0]
    campaign: Campaign = "gz2" if (votes.labels("gz2")[~chosen] >= 0).any() else "gz1"
    labels = votes.labels(campaign)
    labels = np.where(chosen, -1, labels) if campaign == "gz2" else labels
    order = np.random.default_rng(seed).permutation(len(images))

    def part(rows: npt.NDArray[np.int64]) -> Part:
        rows = np.sort(rows)
        first_answers = votes.shares[rows][:, FIRST[campaign].places]
        table = pd.DataFrame({"galaxy_id": ids[kept][rows], "survey": names[kept][rows]})
        table[["p_smooth", "p_features", "p_artifact"]] = first_answers
        return Part(table, rows, labels[rows], Votes(*(one[rows] for one in votes)))

    fifth = len(order) // 5
    return TrainingGalaxies(images, part(order[fifth:]), part(order[:fifth]), "others", "")


def judge(network: Cnn, description: Description, survey: Survey) -> dict[str, Any]:
    """Score a network on a survey that it has not seen, for the survey's own question."""
    labels = survey.votes.labels(description.campaign)
    known = labels >= 0
    outputs, labels = network.predict(survey.images[known]), labels[known]
    raw = p_spiral(outputs, description.campaign)
    p = description.calibration(raw)
    assert description.known is not None
    assert description.outputs is not None
    counts = count(description.known.places(outputs))
    parts = {name: np.array(one.counts) for name, one in description.surveys.items()}
    familiar, taken_for = description.known.resembles(counts, parts)
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
        "familiar": familiar,
        "taken_for": taken_for,
    }
    triage = description.triage
    if taken_for is not None:
        part = description.surveys[taken_for]
        p, triage = part.calibration(raw), part.triage
        scores["accuracy"] = float(((p > 0.5) == labels).mean())
        scores["ece"] = expected_calibration_error(labels, p.astype(np.float64), BINS)
    answers = Answered(
        survey.votes.shares[known].astype(np.float64),
        survey.votes.volunteers[known].astype(np.float64),
        outputs[:, :ANSWERS].astype(np.float64),
        outputs[:, ANSWERS:].astype(np.float64),
    )
    scores |= {key: one for key, one in score_answers(answers).items() if "rmse" in key}
    for promise in triage:
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
    parser.add_argument("--halves", action="store_true")
    parser.add_argument("--bundles", type=Path, help="folder that keeps what was trained")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--learning-rate", type=float, default=0.0015)
    parser.add_argument("--counted", type=float, default=2.0, help="cnn.residual.counted")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/leave_one_out.json"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of surveys with --data or $GALAXY_DATA")
    settings = load_settings()
    update: dict[str, object] = {
        "counted": options.counted,
        "learning_rate": options.learning_rate,
    }
    if options.epochs is not None:
        update["epochs"] = options.epochs
    residual = settings.cnn.residual.model_copy(update=update)
    cnn = settings.cnn.model_copy(update={"residual": residual})
    with tempfile.TemporaryDirectory() as scratch:
        surveys = {
            name: read_survey(options.data / name, Path(scratch), settings) for name in SURVEYS
        }
    seen = Seen(settings.pack.size, settings.pack.crop, settings.pack.decoding, 1)
    found: dict[str, Any] = {}

    def learn(others: dict[str, Survey], judged: dict[str, Survey]) -> dict[str, Any]:
        rows = {}
        kept = options.bundles and options.bundles / "_".join(judged)
        galaxies = together(others, list(judged.values()), settings.split.seed)
        trained = train("cnn", partial(fit, settings=cnn), galaxies, seen, settings.triage)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            trained.save(kept, kept.with_suffix(".json"), kept.with_suffix(".history.json"))
        for name, survey in judged.items():
            description = trained.description.by(read_campaign(options.data / name))
            rows[name] = {
                "epochs": residual.epochs,
                "learned_from": trained.description.galaxies,
                **judge(trained.fit.model, description, survey),
            }
        print(pd.DataFrame(rows).to_string())
        return rows

    if options.output.is_file():
        found |= json.loads(options.output.read_text(encoding="utf-8"))
    if options.halves:
        tests = {name: in_test(surveys[name], settings) for name in ("gz1", "gz2", "kaggle")}
        judged = {name: take(surveys[name], test) for name, test in tests.items()}
        others = {
            name: take(one, ~tests[name]) if name in tests else one for name, one in surveys.items()
        }
        found["halves"] = learn(others, judged)
        write_json(options.output, found)
        return
    for name in options.only:
        others = {other: one for other, one in surveys.items() if other != name}
        left_out = found.setdefault("left_out", {})
        left_out |= learn(others, {name: surveys[name]})
        write_json(options.output, found)


if __name__ == "__main__":
    main()
