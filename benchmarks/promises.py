"""How often promises are kept, over many resplits, audits and calibrations of real surveys.

Each survey is predicted once; then the galaxies that prove a promise, are audited, or calibrate are
drawn again and again. No bundle has seen the survey: `simulated` was trained on simulated galaxies
only, `other surveys` on all real surveys but this one, by `benchmarks.leave_one_out`.

    python -m benchmarks.leave_one_out --data ../shared/data --bundles /tmp/others
    python -m benchmarks.promises --data ../shared/data --others /tmp/others
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.leave_one_out import judged_as, read_survey
from galaxies.base.arrays import Floats, Labels, Probabilities
from galaxies.base.outputs import write_json
from galaxies.bundle.description import Description, read_description
from galaxies.bundle.predictor import Predictor
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.dataset.layout import IMAGES, VOTES, read_campaign
from galaxies.dataset.votes import read_votes
from galaxies.judgement.calibration import fit_calibration, smoothed
from galaxies.judgement.class_shares import compare_with_mixture
from galaxies.judgement.miscalibration import expected_calibration_error
from galaxies.judgement.promises import certainty, choose_promise, lower_bound, make_promises
from galaxies.recalibrating.refitting import Voted, adjust_shares
from galaxies.recalibrating.surveys import read_voted
from galaxies.settings import TriageSettings, load_settings
from galaxies.volunteers.audit import judge_answers
from galaxies.volunteers.samples import Audited

TARGETS = TriageSettings(agreement=[0.9, 0.95, 0.99], confidence=0.9, search=False)
SURVEYS = ("gz1", "gz1b", "gz2", "kaggle")
AUDITED = ("gz1", "gz1b")
DRAWS = 200
"""Resplits, audits and calibrations of each survey, by default."""
BINS = 15
Row = dict[str, Any]
Make = Callable[[Probabilities, Labels], list[float | None]]


def pointwise(p: Probabilities, labels: Labels) -> list[float | None]:
    """Take the lowest of all thresholds whose Clopper-Pearson bound reaches the target."""
    order = np.argsort(-certainty(p), kind="stable")
    sure, right = certainty(p)[order], ((p > 0.5) == labels)[order]
    decided = np.searchsorted(-sure, -sure, side="right")
    bounds = lower_bound(np.cumsum(right)[decided - 1], decided, TARGETS.confidence)
    proven = [sure[bounds >= agreement] for agreement in TARGETS.agreement]
    return [float(one.min()) if len(one) else None for one in proven]


def in_sequence(p: Probabilities, labels: Labels) -> list[float | None]:
    """Test in a fixed sequence, as the pipeline does."""
    return [promise.threshold for promise in make_promises(p, labels, TARGETS)]


def union_bound(p: Probabilities, labels: Labels) -> list[float | None]:
    """Take the lowest of ten thresholds, each tested with a tenth of the error probability."""
    steps = 10
    order = np.argsort(-certainty(p), kind="stable")
    sure, right = certainty(p)[order], ((p > 0.5) == labels)[order]
    thresholds = sure[np.ceil(np.linspace(0, len(p), steps + 1)[1:]).astype(int) - 1]
    decided = np.searchsorted(-sure, -thresholds, side="right")
    confidence = 1 - (1 - TARGETS.confidence) / steps
    bounds = lower_bound(np.cumsum(right)[decided - 1], decided, confidence)
    proven = [thresholds[bounds >= agreement] for agreement in TARGETS.agreement]
    return [float(one.min()) if len(one) else None for one in proven]


WAYS: dict[str, Make] = {
    "every threshold": pointwise,
    "union bound": union_bound,
    "fixed sequence": in_sequence,
}


def resplit(galaxies: Voted, proving: float, judging: float, draws: int) -> list[Row]:
    """Prove promises on some galaxies and test them on the others, many times."""
    random = np.random.default_rng(123)
    count = len(galaxies.labels)
    shape = (len(WAYS), len(TARGETS.agreement))
    made, missed, missed_by_all = (np.zeros(shape, int) for _ in range(3))
    decided = np.zeros(shape)
    for _ in range(draws):
        order = random.permutation(count)
        some = order[: round(proving * count)]
        others = order[len(some) : len(some) + round(judging * count)]
        raw, labels = galaxies.raw, galaxies.labels
        p = fit_calibration(raw[some], smoothed(labels[some]))(raw)
        right = (p > 0.5) == labels
        sure = certainty(p)
        for way, make in enumerate(WAYS.values()):
            for place, threshold in enumerate(make(p[some], labels[some])):
                if threshold is None:
                    continue
                target = TARGETS.agreement[place]
                made[way, place] += 1
                here = sure[others] >= threshold
                decided[way, place] += here.mean()
                missed[way, place] += here.any() and right[others][here].mean() < target
                missed_by_all[way, place] += right[sure >= threshold].mean() < target
    return [
        {
            "way": name,
            "target": target,
            "promises": int(made[way, place]),
            "missed": int(missed[way, place]),
            "missed_on_the_whole_survey": int(missed_by_all[way, place]),
            "decided": decided[way, place] / draws,
        }
        for way, name in enumerate(WAYS)
        for place, target in enumerate(TARGETS.agreement)
    ]


def every_epoch(folder: Path) -> tuple[Floats, Labels]:
    """Train the hidden layer on two fifths of a survey; predict the others after each epoch.

    Returns
    -------
    raw : ndarray of shape (epochs, N)
    labels : ndarray of shape (N,)
    """
    import keras

    from galaxies.models.mlp import build_mlp
    from galaxies.models.networks import repeatable

    settings = load_settings()
    with tempfile.TemporaryDirectory() as scratch:
        survey = read_survey(folder, Path(scratch), settings)
    labels = survey.votes.labels(read_campaign(folder))
    images, labels = survey.images[labels >= 0], labels[labels >= 0]
    learns = np.random.default_rng(1).permutation(len(labels)) < 0.4 * len(labels)
    repeatable(settings.mlp.seed)
    network = build_mlp(images.shape[1], settings.mlp)
    network.compile(
        keras.optimizers.SGD(settings.mlp.learning_rate, momentum=settings.mlp.momentum),
        "binary_crossentropy",
    )
    after = []
    for _ in range(settings.mlp.epochs):
        network.fit(images[learns], labels[learns], settings.mlp.batch, verbose=0)
        after.append(network.predict(images[~learns], verbose=0)[:, 0].astype(np.float32))
    return np.stack(after), labels[~learns]


def choose_epoch(after: Floats, labels: Labels, draws: int) -> list[Row]:
    """Choose an epoch and prove promises on the same galaxies, on others, or without a choice."""
    random = np.random.default_rng(123)
    validation = len(labels) // 6
    counts: dict[str, list[tuple[int, int, float]]] = {
        "last epoch": [], "same galaxies": [], "half each": []
    }  # fmt: skip
    for _ in range(draws):
        order = random.permutation(len(labels))
        some, others = order[:validation], order[validation:]
        for way, rows in counts.items():
            chooses, proves = np.array_split(some, 2) if way == "half each" else (some, some)
            right = np.where(labels[chooses] == 1, after[:, chooses], 1 - after[:, chooses])
            losses = -np.log(np.maximum(right, 1e-7)).mean(axis=1)
            best = len(after) - 1 if way == "last epoch" else int(np.argmin(losses))
            p = fit_calibration(after[best, chooses], smoothed(labels[chooses]))(after[best])
            for promise in make_promises(p[proves], labels[proves], TARGETS):
                if promise.threshold is None:
                    rows.append((0, 0, 0.0))
                    continue
                here = certainty(p[others]) >= promise.threshold
                agreed = ((p[others] > 0.5) == labels[others])[here]
                missed = here.any() and agreed.mean() < promise.agreement
                rows.append((1, int(missed), float(here.mean())))
    return [
        {
            "way": way,
            "target": target,
            "validation": validation,
            "promises": sum(row[0] for row in rows[place::3]),
            "missed": sum(row[1] for row in rows[place::3]),
            "decided": float(np.mean([row[2] for row in rows[place::3]])),
        }
        for way, rows in counts.items()
        for place, target in enumerate(TARGETS.agreement)
    ]


def missed_shares(resplits: pd.DataFrame) -> list[Row]:
    """Share of promises that were missed, over all targets."""
    by = ["bundle", "survey", "proving", "way"]
    sums = resplits.groupby(by)[["promises", "missed"]].sum()
    everywhere = resplits.groupby(["proving", "way"])[["promises", "missed"]].sum().reset_index()
    both = pd.concat([sums.reset_index(), everywhere.assign(bundle="all", survey="all")])
    share = both["missed"] / both["promises"].clip(lower=1)
    table = both.assign(share=share)[[*by, "share"]]
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def audit(
    galaxies: Voted, description: Description, target: float, answers: int, draws: int
) -> Row:
    """Audit the decisions of a bundle on a survey that it does not know, many times."""
    threshold = choose_promise(description.triage, target).threshold
    p = description.calibration(galaxies.raw)
    decided = np.flatnonzero(certainty(p) >= (threshold or 2.0))
    answers = min(answers, len(decided))
    right = (p > 0.5) == galaxies.labels
    random = np.random.default_rng(123)
    kept, missed, missed_of_all, proven, too_high = [], 0, 0, 0, 0
    for _ in range(draws):
        looked_at = random.choice(decided, answers, replace=False)
        others = np.setdiff1d(decided, looked_at)
        audited = Audited(p[looked_at], galaxies.labels[looked_at], p[decided])
        found = judge_answers(audited, target, TARGETS.confidence)
        too_high += right[decided].mean() < found.lower
        if found.bounds is None and not found.holds:
            kept.append(0.0)
            continue
        # What holds for all is kept whole.
        elliptical, spiral = (0.5, 0.5) if found.holds else found.bounds or (0.5, 0.5)
        outside = (p <= elliptical) | (p >= spiral)
        agree = (p >= spiral) == (galaxies.labels == 1)
        rest, whole = (some[outside[some]] for some in (others, decided))
        kept.append(len(whole) / len(p))
        proven += 1
        missed += len(rest) > 0 and agree[rest].mean() < target
        missed_of_all += agree[whole].mean() < target
    return {
        "target": target,
        "answers": answers,
        "decided_before": len(decided) / len(p),
        "agreement_before": float(right[decided].mean()),
        "audits": draws,
        "restored": proven,
        "missed": int(missed),
        "missed_with_those_looked_at": int(missed_of_all),
        "decided_after": float(np.mean(kept)),
        "promised_instead_too_high": int(too_high),
    }


def scores(p: Floats, labels: Labels) -> tuple[float, float]:
    return float(((p > 0.5) == labels).mean()), expected_calibration_error(labels, p, BINS)


def calibrate(galaxies: Voted, description: Description, labelled: int, draws: int) -> Row:
    """Calibrate on some galaxies and test on the others, many times."""
    raw, labels = galaxies.raw, galaxies.labels
    random = np.random.default_rng(123)
    known = description.calibration(raw).astype(np.float64)
    before, after = [], []
    for _ in range(draws):
        order = random.permutation(len(labels))
        some, others = order[:labelled], order[labelled:]
        fitted = fit_calibration(raw[some], smoothed(labels[some]))
        before.append(scores(known[others], labels[others]))
        after.append(scores(fitted(raw[others]).astype(np.float64), labels[others]))
    row: Row = {"labelled": labelled}
    for name, drawn in (("before", before), ("after", after)):
        for place, score in enumerate(("accuracy", "calibration_error")):
            values = np.array(drawn)[:, place]
            low, high = np.percentile(values, (2.5, 97.5))
            row |= {
                f"{score}_{name}": float(values.mean()),
                f"{score}_{name}_low": float(low),
                f"{score}_{name}_high": float(high),
            }
    return row


def shares(galaxies: Voted, description: Description) -> Row:
    """Adjust to the shares of the classes, and score before and after."""
    outputs = description.judgement.outputs
    assert outputs is not None
    adjusted, share = adjust_shares(description.judgement, outputs, galaxies.raw)
    was = scores(description.calibration(galaxies.raw).astype(np.float64), galaxies.labels)
    now = scores(adjusted.calibration(galaxies.raw).astype(np.float64), galaxies.labels)
    test = compare_with_mixture(outputs, galaxies.raw)
    return {
        "share_known": outputs.spiral_share,
        "share_true": float(galaxies.labels.mean()),
        "share_estimated": share,
        "p_value": test.p_value,
        "misfit": test.misfit,
        "accuracy_before": was[0],
        "accuracy_after": now[0],
        "calibration_error_before": was[1],
        "calibration_error_after": now[1],
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--others", type=Path, required=True, help="bundles that leave_one_out has kept"
    )
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/promises.json"))
    options = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    found: dict[str, list[Row]] = {
        name: [] for name in ("resplits", "audits", "calibrations", "shares", "epochs")
    }
    for name in (name for name in SURVEYS if (options.data / name).is_dir()):
        folder = options.data / name
        votes = read_votes(folder / VOTES)
        for kind, bundle in (
            ("simulated", PRETRAINED / "simulated"),
            ("other surveys", options.others / name),
        ):
            # Simulated galaxies have only the questions of Galaxy Zoo 2.
            campaign = None
            if kind != "simulated":
                campaign = judged_as(read_description(bundle), read_campaign(folder)).campaign
            predictor = Predictor(bundle, campaign=campaign)
            description = predictor.description
            galaxies = read_voted(predictor, folder / IMAGES, votes, workers=workers)
            row: Row = {
                "bundle": kind,
                "survey": name,
                "galaxies": len(galaxies.labels),
            }
            found["calibrations"] += [
                row | calibrate(galaxies, description, n, options.draws)
                for n in (50, 100, 200)
                if n < len(galaxies.labels)
            ]
            found["shares"].append(row | shares(galaxies, description))
            for proving, judging in ((0.1, 0.5), (0.5, 0.5)):
                drawn = {"proving": proving, "judging": judging}
                found["resplits"] += [
                    row | drawn | promises
                    for promises in resplit(galaxies, proving, judging, options.draws)
                ]
            if name in AUDITED:
                found["audits"] += [
                    row | audit(galaxies, description, target, answers, options.draws)
                    for target in TARGETS.agreement
                    for answers in (100, 200, 500)
                ]
        if name in AUDITED:
            found["epochs"] += [
                {"survey": name} | row for row in choose_epoch(*every_epoch(folder), options.draws)
            ]
    found["missed"] = missed_shares(pd.DataFrame(found["resplits"]))
    write_json(options.output, found)
    for title, rows in found.items():
        print(f"\n{title}\n{pd.DataFrame(rows).round(3).to_string(index=False)}")


if __name__ == "__main__":
    main()
