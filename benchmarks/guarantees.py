"""Whether the guarantees hold: promises, audits, familiarity and shares against simulated truth.

Every row counts how often a statement was false, among trials in which the truth is known. It must
not be above the stated level by more than two standard errors.

    python -m benchmarks.guarantees
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxies.base.arrays import Floats, Labels, Probabilities
from galaxies.base.outputs import write_json
from galaxies.judgement.anytime import most_that_fail, running_evidence
from galaxies.judgement.calibration import Calibration, fit_calibration, smoothed
from galaxies.judgement.class_shares import (
    estimate_spiral_share,
    share_interval,
    summarise_outputs,
)
from galaxies.judgement.familiarity import LEVEL, KnownGalaxies
from galaxies.judgement.promises import (
    UNDECIDED,
    certainty,
    choose_promise,
    decide,
    lower_bound,
    make_promises,
)
from galaxies.settings import TriageSettings
from galaxies.volunteers.audit import judge_answers
from galaxies.volunteers.samples import Audited

CONFIDENCE = 0.9
TARGETS = TriageSettings(agreement=[0.9, 0.95, 0.99], confidence=CONFIDENCE, search=False)
LOOKS = {"after each answer": 1, "every 10 answers": 10, "every 100 answers": 100, "once": 500}
ANSWERS = 500


def promises(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Promises by right probabilities, and by those of a model that is twice too sure."""
    for galaxies in (50, 200, 1000, 10_000):
        for too_sure in (1, 2):
            missed, made, shares = np.zeros(3, int), np.zeros(3, int), np.zeros(3)
            count = max(trials // (1 + galaxies // 2000), min(trials, 100))
            for _ in range(count):
                logit = random.normal(0, 3, galaxies)
                chance = 1 / (1 + np.exp(-logit))
                labels = (random.random(galaxies) < chance).astype(np.int64)
                p = (1 / (1 + np.exp(-logit * too_sure))).astype(np.float32)
                for place, promise in enumerate(make_promises(p, labels, TARGETS)):
                    decided = decide(p, promise.threshold) != UNDECIDED
                    agreement = np.where(p > 0.5, chance, 1 - chance)[decided]
                    made[place] += decided.any()
                    shares[place] += decided.mean()
                    missed[place] += decided.any() and agreement.mean() < promise.agreement
            for place, target in enumerate(TARGETS.agreement):
                yield {
                    "guarantee": "promise",
                    "case": f"{galaxies} galaxies, {too_sure} times too sure, target {target:g}",
                    "level": 1 - CONFIDENCE,
                    "trials": count,
                    "false": int(missed[place]),
                    "made": int(made[place]),
                    "decided": shares[place] / count,
                }


def _truth(random: np.random.Generator, noise: float) -> tuple[Floats, Calibration]:
    """Draw many galaxies as a model with such noise sees them; also the right calibration."""
    logit = random.normal(0, 3, 200_000)
    raw = 1 / (1 + np.exp(-logit - random.normal(0, noise, len(logit))))
    chance = 1 / (1 + np.exp(-logit))
    calibration = fit_calibration(raw.astype(np.float32), chance)
    p = calibration(raw.astype(np.float32))
    order = np.argsort(-certainty(p))
    agreed = np.cumsum(np.where(p > 0.5, chance, 1 - chance)[order])
    curve = np.stack([certainty(p)[order], agreed / np.arange(1, len(p) + 1)])
    return curve, calibration


def searches(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Promises of the best of 36 equally good models, proven on what chose it, or apart."""
    noise = 1.5
    (sure, agreement), calibration = _truth(random, noise)
    for galaxies in (500, 2000, 5000):
        for apart in (False, True):
            missed, made, shares = np.zeros(3, int), np.zeros(3, int), np.zeros(3)
            count = max(trials // 5, min(trials, 10))
            for _ in range(count):
                logit = random.normal(0, 3, galaxies)
                labels = (random.random(galaxies) < 1 / (1 + np.exp(-logit))).astype(np.int64)
                raw = 1 / (1 + np.exp(-logit - random.normal(0, noise, (36, galaxies))))
                p = calibration(raw.astype(np.float32))
                chooses = np.arange(galaxies) < (galaxies // 2 if apart else galaxies)
                right = np.where(labels == 1, p, 1 - p)[:, chooses]
                best = p[int(np.argmin(-np.log(np.maximum(right, 1e-7)).mean(axis=1)))]
                proves = ~chooses if apart else chooses
                for place, one in enumerate(make_promises(best[proves], labels[proves], TARGETS)):
                    if one.threshold is None:
                        continue
                    made[place] += 1
                    shares[place] += one.decided
                    decided = int(np.searchsorted(-sure, -one.threshold, side="right"))
                    missed[place] += agreement[max(decided, 1) - 1] < one.agreement
            for place, target in enumerate(TARGETS.agreement):
                yield {
                    "guarantee": "promise after a search" + (", proven apart" if apart else ""),
                    "case": f"{galaxies} galaxies, target {target:g}",
                    # Proven on what chose it, it has no guarantee.
                    "level": 1 - CONFIDENCE if apart else 1.0,
                    "trials": count,
                    "false": int(missed[place]),
                    "made": int(made[place]),
                    "decided": shares[place] / count,
                }


def defaults(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Use the promise that is chosen if the user names no target: one of three."""
    for galaxies in (200, 1000, 5000):
        missed = made = 0
        count = max(trials // 2, min(trials, 10))
        for _ in range(count):
            logit = random.normal(0, 3, galaxies)
            chance = 1 / (1 + np.exp(-logit))
            labels = (random.random(galaxies) < chance).astype(np.int64)
            p = chance.astype(np.float32)
            promise = choose_promise(make_promises(p, labels, TARGETS), None)
            decided = decide(p, promise.threshold) != UNDECIDED
            made += decided.any()
            agreement = np.where(p > 0.5, chance, 1 - chance)[decided]
            missed += decided.any() and agreement.mean() < promise.agreement
        yield {
            "guarantee": "promise, target by default",
            "case": f"{galaxies} galaxies",
            "level": 1 - CONFIDENCE,
            "trials": count,
            "false": int(missed),
            "made": int(made),
        }


def several_surveys(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Make promises for each of three surveys, of which one is harder than it looks."""
    names = np.repeat(np.arange(3), (1000, 400, 100))
    missed, made = np.zeros(3, int), np.zeros(3, int)
    count = max(trials // 4, min(trials, 10))
    for _ in range(count):
        logit = random.normal(0, 3, len(names))
        chance = 1 / (1 + np.exp(-logit * np.array([1.2, 1.0, 0.7])[names]))
        labels = (random.random(len(names)) < chance).astype(np.int64)
        p = (1 / (1 + np.exp(-logit))).astype(np.float32)
        surveys = [names == name for name in range(3)]
        for place, promise in enumerate(make_promises(p, labels, TARGETS, surveys)):
            decided = decide(p, promise.threshold) != UNDECIDED
            right = np.where(p > 0.5, chance, 1 - chance)
            made[place] += decided.any()
            # False if it is for any of them; so many are decided that the mean is the truth.
            missed[place] += any(
                right[decided & some].mean() < promise.agreement
                for some in surveys
                if (decided & some).any()
            )
    for place, target in enumerate(TARGETS.agreement):
        yield {
            "guarantee": "promise for each of three surveys",
            "case": f"target {target:g}",
            "level": 1 - CONFIDENCE,
            "trials": count,
            "false": int(missed[place]),
            "made": int(made[place]),
        }


def shares(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Intervals of the share of spirals among galaxies without votes."""
    for known in (48, 200, 1000):
        for survey in (100, 1000, 10_000):
            for share in (0.1, 0.6):
                outside, widths, estimates = 0, 0.0, 0.0
                count = max(trials // 10, min(trials, 3))
                for _ in range(count):
                    raw, labels = _outputs(random, known, 0.3)
                    seen, _ = _outputs(random, survey, share)
                    labels[:2] = 0, 1
                    outputs = summarise_outputs(raw, labels)
                    low, high = share_interval(outputs, seen)
                    outside += not low <= share <= high
                    widths += high - low
                    p = fit_calibration(raw, smoothed(labels))(seen)
                    estimates += estimate_spiral_share(p, outputs.spiral_share)
                yield {
                    "guarantee": "interval of a share",
                    "case": f"{known} known, {survey} images, share {share:g}",
                    "level": 0.05,
                    "trials": count,
                    "false": int(outside),
                    "width": widths / count,
                    "estimate": estimates / count,
                }


def _outputs(
    random: np.random.Generator, galaxies: int, share: float
) -> tuple[Probabilities, Labels]:
    """Draw raw probabilities of a model that separates the classes by 2.5 deviations."""
    labels = (random.random(galaxies) < share).astype(np.int64)
    logit = random.normal(2.5 * (labels - 0.5))
    return (1 / (1 + np.exp(-logit))).astype(np.float32), labels


def audits(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Audits of tables whose agreement is just below the target, and above it."""
    for population in (300, 1000, 10_000):
        for target in (0.9, 0.95):
            most = most_that_fail(population, target)
            false = dict.fromkeys(LOOKS, 0)
            binomial = dict.fromkeys(LOOKS, 0)
            for _ in range(trials):
                right = random.permutation(np.arange(population) < most)[:ANSWERS]
                proven = running_evidence(right, population, most) >= -np.log(1 - CONFIDENCE)
                counts = np.arange(1, len(right) + 1)
                bounds = lower_bound(np.cumsum(right), counts, CONFIDENCE) >= target
                for name, step in LOOKS.items():
                    seen = np.unique(np.append(np.arange(step, len(right) + 1, step), len(right)))
                    false[name] += proven[seen - 1].any()
                    binomial[name] += bounds[seen - 1].any()
            for name in LOOKS:
                yield {
                    "guarantee": "audit",
                    "case": f"{population} decisions, target {target:g}, looked at {name}",
                    "level": 1 - CONFIDENCE,
                    "trials": trials,
                    "false": int(false[name]),
                    "binomial_false": int(binomial[name]),
                }


def whole_audits(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """All statements of an audit together, with the bounds that it keeps."""
    for once in (False, True):
        for bias in (0, 2):
            false = restored = 0
            for _ in range(trials // 10):
                logit = random.normal(1, 2, 2000)
                answers = (random.random(2000) < 1 / (1 + np.exp(-logit))).astype(np.int64)
                p = (1 / (1 + np.exp(-logit - bias))).astype(np.float32)
                right = (p > 0.5) == answers
                target = float(np.ceil(right.mean() * 1000 + 1) / 1000)
                drawn, wrong, found = random.permutation(2000)[:ANSWERS], False, None
                for seen in [ANSWERS] if once else range(100, ANSWERS + 1, 50):
                    some = drawn[:seen]
                    audited = Audited(p[some], answers[some], p, once=once)
                    found = judge_answers(audited, target, CONFIDENCE)
                    wrong |= found.holds or found.lower > right.mean()
                    if found.bounds is not None:
                        kept = (p <= found.bounds[0]) | (p >= found.bounds[1])
                        agree = (p >= found.bounds[1]) == answers
                        wrong |= bool(agree[kept].mean() < target)
                false += wrong
                restored += found is not None and found.bounds is not None
            yield {
                "guarantee": "audit, all statements",
                "case": ("once" if once else "every 50 answers") + f", biased by {bias}",
                "level": 1 - CONFIDENCE,
                "trials": trials // 10,
                "false": int(false),
                "restored": int(restored),
            }


def audit_power(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """How often an audit of a good table proves its target, and after how many answers."""
    for target, true in ((0.9, 0.94), (0.9, 0.96), (0.95, 0.97), (0.95, 0.98), (0.95, 0.99)):
        truth = np.arange(10_000) < round(true * 10_000)
        most = most_that_fail(10_000, target)
        confidence = 1 - 2 / 3 * (1 - CONFIDENCE)
        needed = []
        for _ in range(trials):
            right = random.permutation(truth)[:ANSWERS]
            evidence = running_evidence(right, 10_000, most) >= -np.log1p(-confidence)
            needed.append(int(evidence.argmax()) + 1 if evidence.any() else ANSWERS + 1)
        done = np.array(needed) <= ANSWERS
        yield {
            "target": target,
            "true": true,
            "proven": float(done.mean()),
            "answers": float(np.minimum(needed, ANSWERS).mean()),
        }


def familiarity(trials: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Surveys like the known galaxies, and surveys with some that are not."""
    for known in (99, 500, 5000):
        for survey in (50, 500, 10_000):
            for strangers in (0.0, 0.05, 0.1):
                refused = single = 0
                for _ in range(trials // 2):
                    one = KnownGalaxies(
                        np.zeros(1, np.float32),
                        np.ones((1, 1), np.float32),
                        np.sort(np.abs(random.normal(size=known).astype(np.float32))),
                    )
                    looks = random.normal(size=(survey, 1)).astype(np.float32)
                    looks[: round(strangers * survey)] = 9
                    count = int((one.p_values(looks) <= LEVEL).sum())
                    single += count
                    refused += one.survey_p_value(count, survey) <= LEVEL
                yield {
                    "guarantee": "familiarity",
                    "case": f"{known} known, {survey} images, {strangers:.0%} strange",
                    "level": LEVEL if not strangers else 1.0,
                    "trials": trials // 2,
                    "false": int(refused),
                    "unfamiliar": single / survey / (trials // 2),
                }


def main() -> None:
    """Print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/guarantees.json"))
    options = parser.parse_args()
    random = np.random.default_rng(1)
    rows = []
    for simulate in (
        promises, defaults, several_surveys, searches, audits, whole_audits, familiarity, shares
    ):  # fmt: skip
        rows += list(tqdm(simulate(options.trials, random), simulate.__name__))
    for row in rows:
        level, trials = row["level"], row["trials"]
        allowed = level + 2 * np.sqrt(level * (1 - level) / trials)
        row["within"] = bool(row["false"] / trials <= allowed)
    power = list(audit_power(options.trials, random))
    print(pd.DataFrame(rows).to_string(), pd.DataFrame(power).to_string(), sep="\n")
    write_json(options.output, {"rows": rows, "audit_power": power})


if __name__ == "__main__":
    main()
