"""Votes needed until every galaxy has a class, with the machine and with early retirement.

Volunteers vote one after the other; their votes are drawn from the galaxy's own votes without
replacement. The majority of the first forty is its class. A galaxy can be retired earlier, even
without any vote. Its share of votes for *features or disk* has a Beta prior: the mean is the
machine's prediction, the concentration is fitted on validation galaxies. After k of n votes there
is a Beta posterior, and the votes to come are beta-binomial. This gives the probability that the
majority of the forty will choose *features or disk*.

Two stopping rules are compared. *Certainty* retires a galaxy when the probability of the more
probable class reaches a threshold. *Worth* retires it when further votes are not expected to raise
this probability by more than they cost, at a price per vote (optimal stopping by backward
induction: Wald 1947, "Sequential analysis"; Chow & Robbins 1963). Thus no votes are spent on
galaxies that will stay doubtful, as long as all galaxies together reach the target agreement.

The threshold (or the price) is the lowest (or highest) for which the agreement over all galaxies
is proven on the validation galaxies (Clopper & Pearson 1934, in a fixed sequence). The votes are
counted on the other galaxies. Beck et al. (2018, MNRAS 476, 5516) needed about 8 times fewer
votes, at 93%.

    galaxies classify data/simulated/images_training_rev1.zip -o classes.parquet \
        --model simulated --decide-anyway
    python -m benchmarks.early_retirement classes.parquet --survey data/simulated

The committed results are for 5,000 simulated galaxies (`simulate.galaxies`) with `simulate.seed`
778, and for Galaxy Zoo 2 with a bundle trained on all other surveys. That survey has vote
fractions but no counts: we assume 45 volunteers behind each. Hard votes cannot be replayed.
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import betabinom

from galaxies.base.arrays import Floats
from galaxies.base.outputs import write_json
from galaxies.dataset.layout import COUNTS
from galaxies.dataset.layout import VOTES as VOTES_TABLE
from galaxies.judgement.calibration import fit_calibration
from galaxies.judgement.promises import lower_bound

SEED = 123
VOTES = 40
TARGETS = (0.93, 0.95)
CONFIDENCES = (0.9, 0.5)
"""With which the validation galaxies prove the agreement; 0.5 takes them about at their word."""
MEANS = np.linspace(0.0025, 0.9975, 200)
"""Means of a prior that are told apart."""
LEVELS = {
    "certainty": np.linspace(1, 0.5, 201),
    "worth": np.concatenate([[0], np.geomspace(1e-5, 1, 200)]),
}
"""Thresholds and prices, from the most votes to the fewest."""
VOLUNTEERS = 45
"""Taken to stand behind vote fractions without counts."""
WAYS = {
    "the machine alone": (True, False),
    "early retirement alone": (False, True),
    "both": (True, True),
}
PAIRS = (
    ("the machine alone", "certainty"),
    ("early retirement alone", "certainty"),
    ("early retirement alone", "worth"),
    ("both", "certainty"),
    ("both", "worth"),
)
"""Whether the machine makes the prior, and whether galaxies may retire after the first vote; else
they get all."""
RESAMPLES = 1000

Whole = npt.NDArray[np.int64]


class Drawn(NamedTuple):
    """Galaxies and their votes, in the order in which the votes arrive."""

    p_spiral: npt.NDArray[np.float32]
    given: Whole
    """(N, 41, 3) votes for smooth, features or disk, star or artifact, after none to all."""

    @property
    def truth(self) -> Whole:
        """Majority of the first forty votes, shape (N,)."""
        return np.asarray(self.given[:, VOTES].argmax(axis=1))

    def take(self, some: Whole) -> "Drawn":
        """Select some of the galaxies."""
        return Drawn(self.p_spiral[some], self.given[some])


def read_counts(survey: Path) -> pd.DataFrame:
    """Read how many volunteers gave each answer, or estimate it from the vote fractions."""
    if (survey / COUNTS).is_file():
        return pd.read_parquet(survey / COUNTS)
    votes = pd.read_csv(survey / VOTES_TABLE).rename(columns={"GalaxyID": "galaxy_id"})
    answers = votes[["Class1.1", "Class1.2", "Class1.3"]]
    if answers.isin([0, 1]).all(axis=None):
        raise SystemExit(f"{survey}: hard votes cannot be replayed")
    counts = (VOLUNTEERS * answers).round().astype("int64")
    return votes[["galaxy_id"]].join(counts)


def draw(classes: Path, survey: Path, random: np.random.Generator) -> Drawn:
    """Read the predictions and the votes, and shuffle the votes."""
    table = pd.read_parquet(classes, columns=["galaxy_id", "p_spiral"])
    table["galaxy_id"] = table["galaxy_id"].astype("int64")
    both = table.dropna().merge(read_counts(survey), on="galaxy_id")
    counts = both[["Class1.1", "Class1.2", "Class1.3"]].to_numpy(np.int64)
    both, counts = both[counts.sum(axis=1) >= VOTES], counts[counts.sum(axis=1) >= VOTES]
    ends = counts.cumsum(axis=1)
    vote = np.arange(ends[:, 2].max())
    lots = np.where(vote < ends[:, 2:], random.random((len(ends), len(vote))), 2)
    chosen = lots.argsort(axis=1)[:, :VOTES]
    answers = (chosen[:, :, None] >= ends[:, None, :2]).sum(axis=2)
    given = np.zeros((len(ends), VOTES + 1, 3), np.int64)
    given[:, 1:] = (answers[:, :, None] == np.arange(3)).cumsum(axis=1)
    return Drawn(both["p_spiral"].to_numpy(np.float32), given)


class Prior(NamedTuple):
    """Distribution of the share of votes for features before any vote."""

    means: Floats
    """(N,)."""
    concentration: float


def fit_prior(known: Drawn, galaxies: Drawn, *, machine: bool) -> Prior:
    """Fit the prior on validation galaxies: from the machine, galaxy by galaxy, or one for all."""
    features = known.given[:, VOTES, 1]

    def means(some: Drawn) -> Floats:
        if not machine:
            return np.full(len(some.p_spiral), features.mean() / VOTES)
        calibration = fit_calibration(known.p_spiral, features / VOTES)
        return calibration(some.p_spiral).astype(np.float64).clip(MEANS[0], MEANS[-1])

    here = means(known)

    def surprise(logarithm: float) -> float:
        a = np.exp(logarithm)
        return float(-betabinom.logpmf(features, VOTES, a * here, a * (1 - here)).sum())

    best = minimize_scalar(surprise, bounds=(-3, 6), method="bounded")
    return Prior(means(galaxies), float(np.exp(best.x)))


class Chances(NamedTuple):
    """Probabilities after k of n votes for features, for each mean of the prior (means, n, k)."""

    features: Floats
    """Chance that most of the forty say features."""
    next_vote: Floats
    """Chance that the next vote does."""


def chances(concentration: float) -> Chances:
    """Compute both for one concentration."""
    found = np.zeros((len(MEANS), VOTES + 1, VOTES + 1))
    following = np.zeros_like(found)
    for n in range(VOTES + 1):
        for k in range(n + 1):
            a, b = concentration * MEANS + k, concentration * (1 - MEANS) + n - k
            found[:, n, k] = betabinom.sf(VOTES // 2 - k, VOTES - n, a, b)
            following[:, n, k] = a / (a + b)
    return Chances(found, following)


def by_certainty(known: Chances, threshold: float) -> npt.NDArray[np.bool_]:
    """Find where to stop (means, n, k): the more probable class is probable enough."""
    return np.maximum(known.features, 1 - known.features) >= threshold


def by_worth(known: Chances, price: float) -> npt.NDArray[np.bool_]:
    """Find where to stop: further votes are not worth their price."""
    sure = np.maximum(known.features, 1 - known.features)
    stop = np.ones(sure.shape, bool)
    worth = sure[:, VOTES]
    for n in range(VOTES - 1, -1, -1):
        yes = known.next_vote[:, n, :-1]
        going_on = yes * worth[:, 1:] + (1 - yes) * worth[:, :-1] - price
        going_on = np.pad(going_on, ((0, 0), (0, 1)), constant_values=-np.inf)
        stop[:, n] = sure[:, n] >= going_on
        worth = np.maximum(sure[:, n], going_on)
    return stop


RULES = {"certainty": by_certainty, "worth": by_worth}


class Retired(NamedTuple):
    """When each galaxy was retired."""

    votes: Whole
    """(N,)."""
    right: npt.NDArray[np.bool_]
    """(N,) whether the class is that of the forty."""


def retire(
    galaxies: Drawn, prior: Prior, known: Chances, stop: npt.NDArray[np.bool_], *, early: bool
) -> Retired:
    """Let votes arrive until a rule says stop; stars and artifacts take all forty."""
    mean = np.abs(MEANS - prior.means[:, None]).argmin(axis=1)[:, None]
    at = (mean, np.arange(VOTES + 1), galaxies.given[:, :, 1])
    chance = known.features[at]
    leads = galaxies.given[:, :, 2] > galaxies.given[:, :, :2].max(axis=2)
    stopped = stop[at] & ~leads
    if not early:
        stopped[:, 1:] = False
    stopped[:, VOTES] = True
    votes = stopped.argmax(axis=1)
    said = (chance[np.arange(len(votes)), votes] > 0.5).astype(np.int64)
    return Retired(votes, (said == galaxies.truth) | (votes == VOTES))


def count(
    known: Drawn, galaxies: Drawn, way: str, rule: str, target: float, confidence: float
) -> dict[str, Any]:
    """Choose a threshold or price on the validation galaxies, and count the votes of the others."""
    machine, early = WAYS[way]
    here, there = (fit_prior(known, some, machine=machine) for some in (known, galaxies))
    told = chances(here.concentration)
    chosen = None
    for level in LEVELS[rule].tolist():
        right = retire(known, here, told, RULES[rule](told, level), early=early).right
        proven = lower_bound(np.array([right.sum()]), np.array([len(right)]), confidence)[0]
        if proven < target:
            break
        chosen = level
    if chosen is None:
        raise SystemExit(f"{len(known.truth):,} validation galaxies cannot prove {target:g}")
    proving = len(known.truth)
    done = retire(galaxies, there, told, RULES[rule](told, chosen), early=early)
    random = np.random.default_rng(SEED)
    again = random.integers(0, len(done.votes), (RESAMPLES, len(done.votes)))
    agreement = np.percentile(done.right[again].mean(axis=1), (2.5, 97.5))
    factor = np.percentile(VOTES / done.votes[again].mean(axis=1), (2.5, 97.5))
    return {
        "way": way,
        "rule": rule,
        "target": target,
        "confidence": confidence,
        "level": chosen,
        "concentration": here.concentration,
        "votes": int(done.votes.sum()),
        "votes_of_a_galaxy": float(done.votes.mean()),
        "without_a_vote": float((done.votes == 0).mean()),
        "with_all_votes": float((done.votes == VOTES).mean()),
        "factor": float(VOTES / done.votes.mean()),
        "factor_with_validation": float(
            VOTES * (len(done.votes) + proving) / (done.votes.sum() + VOTES * proving)
        ),
        "factor_low": float(factor[0]),
        "factor_high": float(factor[1]),
        "agreement": float(done.right.mean()),
        "agreement_low": float(agreement[0]),
        "agreement_high": float(agreement[1]),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("classes", type=Path, help="a table of galaxies classify, .parquet")
    parser.add_argument("--survey", type=Path, default=Path("data/simulated"))
    parser.add_argument("--validation-share", type=float, default=0.2)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("benchmarks/early_retirement.json")
    )
    options = parser.parse_args()
    random = np.random.default_rng(SEED)
    drawn = draw(options.classes, options.survey, random)
    order = random.permutation(len(drawn.p_spiral))
    parts = np.split(order, [round(options.validation_share * len(order))])
    known, galaxies = (drawn.take(part) for part in parts)
    rows = [
        count(known, galaxies, way, rule, target, confidence)
        for confidence in CONFIDENCES
        for target in TARGETS
        for way, rule in PAIRS
    ]
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    content = {
        "galaxies": len(galaxies.truth),
        "validation_galaxies": len(known.truth),
        "machine_accuracy": float(((galaxies.p_spiral > 0.5) == galaxies.truth).mean()),
        "rows": rows,
    }
    everything: dict[str, Any] = {}
    if options.output.is_file():
        everything = json.loads(options.output.read_text(encoding="utf-8"))
    write_json(options.output, everything | {options.survey.name: content})


if __name__ == "__main__":
    main()
