"""Audit a random sample of the machine's decisions with people."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Probabilities
from galaxies.base.outputs import write_text_table
from galaxies.classifying.provenance import made_by, same_bundle
from galaxies.dataset.layout import VOTES, survey_file
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError, needs
from galaxies.judgement.calibration import fit_calibration, smoothed
from galaxies.judgement.promises import UNDECIDED, lower_bound, make_promises
from galaxies.questions.campaign import CLASSES, VOTED, most_voted
from galaxies.settings import TriageSettings
from galaxies.volunteers.choosing import AUDIT
from galaxies.volunteers.classes import read_columns, refuse_twice
from galaxies.volunteers.subjects import MANIFEST, UNKNOWN, read_manifest
from galaxies.volunteers.survey import galaxy_number

ANSWERS: Final = VOTED
"""Possible answers. An artifact agrees with no decision."""

_COLUMNS: Final = ("galaxy_id", "p_spiral", "decision")


class Audited(NamedTuple):
    """Galaxies that the machine decided and people looked at."""

    p_spiral: Probabilities
    """(N,) calibrated."""
    answers: npt.NDArray[np.int64]
    """(N,) places in `ANSWERS`."""
    left_out: int
    """Number of galaxies without an answer: in a CSV, before the last answer; in a survey, in the
    random sample of the subject sets."""


class Audit(NamedTuple):
    """Result of an audit."""

    answered: int
    agreed: int
    confidence: float
    """Confidence with which the target agreement holds."""
    lower: float
    """The agreement that can be promised."""
    bounds: tuple[float, float] | None
    """The target agreement is proven for galaxies with `p_spiral` up to the first value, as
    ellipticals, and from the second, as spirals; `None` if it cannot be proven for any."""
    kept: float
    """Share of the audited galaxies outside the bounds."""


def write_sample(
    classes: Path, output: Path, *, number: int, seed: int, show_decisions: bool = False
) -> tuple[int, int]:
    """Draw a random sample of the galaxies that the machine decided, in random order.

    Parameters
    ----------
    classes : Path
        A table from `galaxies classify`, of any length.
    output : Path
        The CSV to make: `galaxy_id`, optionally `decision`, and an empty `answer`.
    number : int
        Size of the sample; all galaxies if there are fewer.
    seed : int
        Seed of the draw.
    show_decisions : bool
        Whether to show the decisions, which tend to influence people.

    Returns
    -------
    int, int
        The size of the sample, and the number of galaxies that the machine decided.

    Raises
    ------
    GalaxiesError
        If the table cannot be read, or the machine decided nothing.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> drawn, decided = write_sample(Path("classes.parquet"), Path("audit.csv"), number=5, seed=0)
    >>> drawn, decided >= 5, list(pd.read_csv("audit.csv"))
    (5, True, ['galaxy_id', 'answer'])
    """
    decided = sum(len(piece) for piece in _decided(classes))
    if not decided:
        raise GalaxiesError(f"{classes}: the machine decided none of the galaxies")
    random = np.random.default_rng(seed)
    places = random.choice(decided, min(number, decided), replace=False)
    wanted = np.sort(places)
    rows, start = [], 0
    for piece in _decided(classes):
        inside = wanted[
            np.searchsorted(wanted, start) : np.searchsorted(wanted, start + len(piece))
        ]
        rows.append(piece.iloc[inside - start])
        start += len(piece)
    sample = pd.concat(rows, ignore_index=True).iloc[np.searchsorted(wanted, places)]
    refuse_twice(classes, sample["galaxy_id"].tolist())
    columns = ["galaxy_id", "decision"] if show_decisions else ["galaxy_id"]
    write_text_table(output, sample[columns].assign(answer=""))
    return len(sample), decided


def read_audit(classes: Path, answers: Path) -> Audited:
    """Join the answers of people and the decisions of the machine.

    Parameters
    ----------
    classes : Path
        The table from which the sample was drawn.
    answers : Path
        The CSV with the answers; galaxies without an answer are left out.

    Returns
    -------
    Audited

    Raises
    ------
    GalaxiesError
        If an answer is unknown, if a galaxy occurs twice or was not decided by the machine, or if
        there are no answers.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> classes = Path("classes.parquet")
    >>> _ = write_sample(classes, Path("audit.csv"), number=5, seed=0)
    >>> answered = pd.read_csv("audit.csv").assign(answer="elliptical")
    >>> answered.to_csv("audit.csv", index=False)
    >>> audited = read_audit(classes, Path("audit.csv"))
    >>> audited.answers.tolist(), audited.left_out
    ([0, 0, 0, 0, 0], 0)
    """
    given, left_out = _read_answers(answers)
    return _beside_decisions(classes, given, left_out, str(answers))


def read_survey_audit(classes: Path, survey: Path, subjects: Sequence[Path]) -> Audited:
    """Join the votes of volunteers and the decisions of the machine.

    Only galaxies that `galaxies ask` drew at random from the machine's decisions count. Galaxies
    that the machine left to people are not a sample of its decisions. The answer for a galaxy is
    the majority of its volunteers.

    Parameters
    ----------
    classes : Path
        The table that was asked about.
    survey : Path
        The survey made from the answers by `galaxies votes`.
    subjects : sequence of Path
        The folders made from the table by `galaxies ask`.

    Returns
    -------
    Audited

    Raises
    ------
    GalaxiesError
        If a folder or the survey cannot be used, if no galaxy was drawn at random, if none of these
        has votes, or if one was not decided by the machine.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.volunteers.survey import count_votes
    >>> subjects = [Path("subjects")]
    >>> _ = count_votes(Path("export.csv"), Path("answers.yaml"), subjects, Path("data/mine"))
    >>> audited = read_survey_audit(Path("classes.parquet"), Path("data/mine"), subjects)
    >>> len(audited.answers), audited.left_out
    (5, 0)
    """
    sample = _drawn(classes, subjects)
    table = read_votes(survey_file(survey, VOTES))
    votes = table[["p_smooth", "p_features", "p_artifact"]].to_numpy(np.float32)
    seen = dict(zip(table["galaxy_id"].tolist(), most_voted(votes).tolist(), strict=True))
    numbers = {galaxy_id: galaxy_number(galaxy_id) for galaxy_id in sample}
    given = {name: ANSWERS[seen[number]] for name, number in numbers.items() if number in seen}
    folders = ", ".join(map(str, subjects))
    if not given:
        raise GalaxiesError(
            f"{survey}: has no votes on the {len(sample):,} galaxies that {folders} drew for "
            "an audit; give the survey that galaxies votes made of them, or wait for votes"
        )
    return _beside_decisions(classes, given, len(sample) - len(given), folders)


def _drawn(classes: Path, subjects: Sequence[Path]) -> list[str]:
    """Find the galaxies that subject sets drew at random from the decisions in a table."""
    bundle = made_by(classes) if classes.is_file() else None
    sample: dict[str, None] = {}
    for folder in subjects:
        for subject in read_manifest(folder):
            unlike = subject.bundle != UNKNOWN and not same_bundle(subject.bundle, bundle or "")
            if bundle and unlike:
                raise GalaxiesError(
                    f"{folder / MANIFEST}: line {subject.line}: another bundle than that of "
                    f"{classes} classified galaxy {subject.galaxy_id} ({subject.bundle[:12]}… and "
                    f"{bundle[:12]}…); give the table that was asked about"
                )
            if subject.chosen == AUDIT:
                sample[subject.galaxy_id] = None
    if not sample:
        raise GalaxiesError(
            f"{', '.join(map(str, subjects))}: no galaxy was drawn for an audit; "
            "draw some with galaxies ask --audit-share 1"
        )
    return list(sample)


def _beside_decisions(
    classes: Path, given: Mapping[str, str], left_out: int, source: str
) -> Audited:
    """Look up the galaxies that have an answer; errors name the `source` of the answers."""
    found: dict[str, float] = {}
    for piece in _decided(classes):
        known = piece[piece["galaxy_id"].isin(given.keys())]
        for galaxy_id, p in zip(known["galaxy_id"], known["p_spiral"], strict=True):
            if galaxy_id in found:
                raise GalaxiesError(f"{classes}: galaxy {galaxy_id} occurs twice")
            found[galaxy_id] = p
    for galaxy_id in given:
        if galaxy_id not in found:
            raise GalaxiesError(
                f"{source}: galaxy {galaxy_id} is not one that the machine decided in {classes}; "
                "give the table from which the sample was drawn"
            )
    return Audited(
        np.array([found[galaxy_id] for galaxy_id in given], np.float32),
        np.array([ANSWERS.index(answer) for answer in given.values()], np.int64),
        left_out,
    )


def judge_answers(audited: Audited, agreement: float, confidence: float) -> Audit:
    """Compute what the answers prove about all decisions of the machine.

    Exact binomial bounds: Clopper & Pearson (1934); for the bounds on `p_spiral`, tests in a fixed
    sequence, as in `galaxies.judgement.promises.make_promises`. They hold for any survey, because
    the sample is random. If people looked at most of the decisions, the bounds are conservative.

    Parameters
    ----------
    audited : Audited
        At least one galaxy.
    agreement : float
        Target agreement.
    confidence : float
        Confidence of the proof.

    Returns
    -------
    Audit

    Examples
    --------
    >>> import numpy as np
    >>> p = np.full(230, 0.99, np.float32)
    >>> found = judge_answers(Audited(p, np.ones(230, np.int64), left_out=0), 0.99, 0.9)
    >>> round(found.confidence, 3), round(found.lower, 3)
    (0.901, 0.99)
    """
    with needs("pipeline"):
        from scipy.special import betaincc

    right = (audited.p_spiral > 0.5) == audited.answers
    answered, agreed = len(right), int(right.sum())
    # One minus the probability that so many agree if the agreement is exactly the target.
    sure_of_it = float(betaincc(agreed, answered - agreed + 1, agreement)) if agreed else 0.0
    bound = lower_bound(np.array([agreed]), np.array([answered]), confidence)
    bounds, kept = _restored(audited, agreement, confidence)
    return Audit(answered, agreed, sure_of_it, float(bound[0]), bounds, kept)


def _restored(
    audited: Audited, agreement: float, confidence: float
) -> tuple[tuple[float, float] | None, float]:
    """Find the bounds on `p_spiral` outside which the target agreement is proven.

    The probabilities are first calibrated on the answers: on a different survey they are biased
    towards one class, and symmetric bounds would leave almost nothing.
    """
    p, answers = audited.p_spiral, audited.answers
    galaxies = answers < len(CLASSES)
    if len(np.unique(answers[galaxies])) < len(CLASSES):
        return None, 0.0
    calibration = fit_calibration(p[galaxies], smoothed(answers[galaxies]))
    settings = TriageSettings(agreement=[agreement], confidence=confidence)
    threshold = make_promises(calibration(p), answers, settings)[0].threshold
    if threshold is None or calibration.slope <= 0:
        return None, 0.0
    elliptical, spiral = calibration.raw_of(1 - threshold), calibration.raw_of(threshold)
    return (elliptical, spiral), float(((p <= elliptical) | (p >= spiral)).mean())


def _decided(classes: Path) -> Iterator[pd.DataFrame]:
    for piece in read_columns(classes, _COLUMNS):
        known = piece["decision"].notna() & (piece["decision"] != UNDECIDED)
        yield piece[known]


def _read_answers(path: Path) -> tuple[dict[str, str], int]:
    """Read the answer for each galaxy, and count those that are missing before the last."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise GalaxiesError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise GalaxiesError(f"{path}: not a CSV table in UTF-8: {error}") from error
    given: dict[str, str] = {}
    missing = left_out = 0
    for line, row in enumerate(rows, 2):
        if row.get("galaxy_id") is None or row.get("answer") is None:
            raise GalaxiesError(f"{path}: line {line}: needs the columns galaxy_id and answer")
        galaxy_id, answer = row["galaxy_id"].strip(), row["answer"].strip().lower()
        if not answer:
            missing += 1
            continue
        if answer not in ANSWERS:
            raise GalaxiesError(
                f"{path}: line {line}: answer {row['answer']!r} of galaxy {galaxy_id} must be one "
                f"of {', '.join(ANSWERS)}"
            )
        if galaxy_id in given:
            raise GalaxiesError(f"{path}: line {line}: galaxy {galaxy_id} occurs twice")
        given[galaxy_id] = answer
        left_out, missing = left_out + missing, 0
    if not given:
        raise GalaxiesError(f"{path}: no answers yet; fill in the column `answer`")
    return given, left_out
