"""A random sample of what a machine decided, for people to look at; what their answers prove."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Probabilities
from galaxies.base.outputs import write_text_table
from galaxies.base.questions import CLASSES, VOTED, most_voted
from galaxies.classifying.table_files import read_stream
from galaxies.dataset.layout import VOTES, survey_file
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError, needs
from galaxies.learning.calibration import fit_calibration, smoothed
from galaxies.learning.promises import UNDECIDED, lower_bound, make_promises
from galaxies.settings import TriageSettings
from galaxies.volunteers.choosing import AUDIT
from galaxies.volunteers.classes import made_by
from galaxies.volunteers.subjects import MANIFEST, UNKNOWN, read_manifest
from galaxies.volunteers.survey import galaxy_number

ANSWERS: Final = VOTED
"""What people may answer. An artifact agrees with no decision."""

_COLUMNS: Final = ("galaxy_id", "p_spiral", "decision")


class Audited(NamedTuple):
    """Galaxies that a machine decided and people looked at."""

    p_spiral: Probabilities
    """(N,) calibrated."""
    answers: npt.NDArray[np.int64]
    """(N,) places in `ANSWERS`."""
    left_out: int
    """Galaxies without an answer: in a CSV those before the last one that has one, in a survey
    all of the subject sets' random sample that it does not hold."""


class Audit(NamedTuple):
    """What answers prove."""

    answered: int
    agreed: int
    confidence: float
    """With which the target agreement holds."""
    lower: float
    """The agreement that can be promised."""
    bounds: tuple[float, float] | None
    """Of those that the machine decided, the target agreement is proven where a galaxy counts as
    elliptical up to the first `p_spiral`, and as spiral from the second on; `None` for none."""
    kept: float
    """Share of the audited galaxies outside the bounds."""


def write_sample(
    classes: Path, output: Path, *, number: int, seed: int, show_decisions: bool = False
) -> tuple[int, int]:
    """Draw some of the galaxies that a machine decided, in random order.

    Parameters
    ----------
    classes : Path
        A table that `galaxies classify` made; of any length, read piece by piece.
    output : Path
        The CSV to make: `galaxy_id`, `decision` if it is to be shown, and an empty `answer`.
    number : int
        How many; all of them where there are fewer.
    seed : int
        Of the draw.
    show_decisions : bool
        People who see a decision tend to follow it.

    Returns
    -------
    int, int
        How many were drawn, and out of how many.

    Raises
    ------
    GalaxiesError
        If the table cannot be read, or the machine decided nothing.
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
    columns = ["galaxy_id", "decision"] if show_decisions else ["galaxy_id"]
    write_text_table(output, sample[columns].assign(answer=""))
    return len(sample), decided


def read_audit(classes: Path, answers: Path) -> Audited:
    """Put people's answers beside what the machine decided.

    Parameters
    ----------
    classes : Path
        The table that the sample was drawn from.
    answers : Path
        The CSV, with answers; galaxies without one are left out.

    Raises
    ------
    GalaxiesError
        If an answer is unknown, a galaxy occurs twice, there is no answer at all, or a galaxy is
        not among those that the machine decided.
    """
    given, left_out = _read_answers(answers)
    return _beside_decisions(classes, given, left_out, str(answers))


def read_survey_audit(classes: Path, survey: Path, subjects: Sequence[Path]) -> Audited:
    """Put the volunteers' votes beside what the machine decided.

    Only what `galaxies ask` drew at random from the machine's decisions counts. Galaxies that were
    chosen because the machine left them to people are no sample of its decisions. The answer to
    a galaxy is what most of its volunteers saw.

    Parameters
    ----------
    classes : Path
        The table that was asked about.
    survey : Path
        The survey that `galaxies votes` made of the answers.
    subjects : sequence of Path
        The folders that `galaxies ask` made of the table.

    Raises
    ------
    GalaxiesError
        If a folder or the survey cannot be used, no galaxy of the folders was drawn at random or
        none of these has votes, or one is not among those that the machine decided.

    Examples
    --------
    >>> read_survey_audit(
    ...     Path("classes.parquet"), Path("data/mine"), [Path("subjects")]
    ... ).left_out  # doctest: +SKIP
    0
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
            if bundle and subject.bundle not in (bundle, UNKNOWN):
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
            "galaxies ask --audit-share 1 draws nothing else"
        )
    return list(sample)


def _beside_decisions(
    classes: Path, given: Mapping[str, str], left_out: int, source: str
) -> Audited:
    """Look the galaxies up that have an answer; errors say where the answers came from."""
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
                "name the table that the sample was drawn from"
            )
    return Audited(
        np.array([found[galaxy_id] for galaxy_id in given], np.float32),
        np.array([ANSWERS.index(answer) for answer in given.values()], np.int64),
        left_out,
    )


def judge_answers(audited: Audited, agreement: float, confidence: float) -> Audit:
    """Say what answers prove about all that the machine decided.

    Exact binomial bounds: Clopper & Pearson (1934); for the bounds on `p_spiral`, tests in a fixed
    sequence, as in `galaxies.learning.promises.make_promises`. They hold for any survey, since the
    galaxies were drawn at random from what the machine decided there. Where it decided few, and
    most of these were looked at, the bounds are safer than they need be.

    Parameters
    ----------
    audited : Audited
        At least one galaxy.
    agreement : float
        The target.
    confidence : float
        With which the agreement and the bounds on `p_spiral` are to be proven.

    Examples
    --------
    >>> p = np.full(230, 0.99, np.float32)
    >>> found = judge_answers(Audited(p, np.ones(230, np.int64), left_out=0), 0.99, 0.9)
    >>> round(found.confidence, 3), round(found.lower, 3)
    (0.901, 0.99)
    """
    with needs("pipeline"):
        from scipy.special import betaincc

    right = (audited.p_spiral > 0.5) == audited.answers
    answered, agreed = len(right), int(right.sum())
    # One less the chance that so many agree if exactly the target share of all does.
    sure_of_it = float(betaincc(agreed, answered - agreed + 1, agreement)) if agreed else 0.0
    bound = lower_bound(np.array([agreed]), np.array([answered]), confidence)
    bounds, kept = _restored(audited, agreement, confidence)
    return Audit(answered, agreed, sure_of_it, float(bound[0]), bounds, kept)


def _restored(
    audited: Audited, agreement: float, confidence: float
) -> tuple[tuple[float, float] | None, float]:
    """Find the bounds on `p_spiral` outside which the target agreement is proven.

    The probabilities are calibrated on the answers first: where a survey differs, they are too sure
    of one class, and bounds for both alike would leave nearly nothing.
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
    for piece in read_stream(classes, _COLUMNS):
        known = piece["decision"].notna() & (piece["decision"] != UNDECIDED)
        yield piece[known]


def _read_answers(path: Path) -> tuple[dict[str, str], int]:
    """Answers by galaxy, in their order, and how many are missing before the last."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GalaxiesError(f"{path}: cannot be read: {error}") from error
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
                f"{path}: line {line}: answer {row['answer']!r} of galaxy {galaxy_id} is none of "
                f"{', '.join(ANSWERS)}"
            )
        if galaxy_id in given:
            raise GalaxiesError(f"{path}: line {line}: galaxy {galaxy_id} occurs twice")
        given[galaxy_id] = answer
        left_out, missing = left_out + missing, 0
    if not given:
        raise GalaxiesError(f"{path}: no answers yet; fill in the column `answer`")
    return given, left_out
