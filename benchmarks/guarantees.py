"""Whether the guarantees hold: promises, audits and familiarity against simulated truth.

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

from galaxies.base.outputs import write_json
from galaxies.judgement.anytime import most_that_fail, running_evidence
from galaxies.judgement.familiarity import LEVEL, KnownGalaxies
from galaxies.judgement.promises import UNDECIDED, decide, lower_bound, make_promises
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
    for simulate in (promises, audits, whole_audits, familiarity):
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
