"""Random samples of the machine's decisions, and the answers of people about them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Probabilities
from galaxies.base.outputs import write_text_table
from galaxies.classifying.provenance import (
    AGREEMENT,
    CAMPAIGN,
    made_by,
    recorded,
    same_bundle,
)
from galaxies.dataset.layout import VOTES, read_campaign, survey_file
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError
from galaxies.judgement.promises import UNDECIDED
from galaxies.questions.campaign import most_voted
from galaxies.volunteers.choosing import AUDIT
from galaxies.volunteers.classes import (
    fingerprint,
    read_columns,
    recorded_threshold,
    refuse_edited,
    refuse_twice,
)
from galaxies.volunteers.manifest import MANIFEST, UNKNOWN, Subject, read_manifest
from galaxies.volunteers.sample_rows import ANSWERS, ANY_TIME, ONCE, Told, read_sample
from galaxies.volunteers.survey import read_names

_NEEDED: Final = ("galaxy_id", "p_spiral", "decision")


class Audited(NamedTuple):
    """Galaxies that the machine decided and people looked at, in the order of the draw."""

    p_spiral: Probabilities
    """(N,) calibrated."""
    answers: npt.NDArray[np.int64]
    """(N,) places in `ANSWERS`."""
    decided: Probabilities
    """(M,) calibrated probabilities of all galaxies that the machine decided."""
    left_out: int = 0
    """Number of galaxies without an answer: in a CSV, before the last answer; in a survey, in the
    random sample of the subject sets."""
    agreement: float | None = None
    """Target agreement for which the sample was drawn; `None` if it is not recorded."""
    confidence: float | None = None
    """Confidence for which it was drawn; `None` if it is not recorded."""
    once: bool = False
    """Whether it is judged only once, when all its galaxies have answers."""
    campaigns: tuple[str, str] | None = None
    """Whose votes the table promises, and whose the answers are, if both are known and differ."""


def write_sample(
    classes: Path,
    output: Path,
    *,
    number: int,
    seed: int,
    agreement: float | None = None,
    confidence: float = 0.9,
    once: bool = False,
    show_decisions: bool = False,
) -> tuple[int, int]:
    """Draw a random sample of the galaxies that the machine decided, in random order.

    Each row records for what the sample was drawn, so that it cannot be judged by another table or
    another target.

    Parameters
    ----------
    classes : Path
        A table from `galaxies classify`, of any length.
    output : Path
        The CSV to make: `galaxy_id`, optionally `decision`, an empty `answer`, and `place` in the
        draw; then, the same in all rows, the columns of `galaxies.volunteers.sample_rows.Told`.
    number : int
        Size of the sample; all galaxies if there are fewer.
    seed : int
        Seed of the draw.
    agreement : float, optional
        Target agreement; by default that of the table.
    confidence : float
        Confidence of the proof.
    once : bool
        Whether to judge only when all galaxies have answers, instead of at any time.
    show_decisions : bool
        Whether to show the decisions, which tend to influence people.

    Returns
    -------
    int, int
        The size of the sample, and the number of galaxies that the machine decided.

    Raises
    ------
    GalaxiesError
        If the table cannot be read, if it does not record its target and none is given, or if the
        machine decided nothing.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> drawn, decided = write_sample(Path("classes.parquet"), Path("audit.csv"), number=5, seed=0)
    >>> drawn, decided >= 5, list(pd.read_csv("audit.csv"))[:4]
    (5, True, ['galaxy_id', 'answer', 'place', 'drawn'])
    """
    decided = sum(len(piece) for piece in _decided(classes))
    if not decided:
        raise GalaxiesError(f"{classes}: the machine decided none of the galaxies")
    target = recorded(classes, AGREEMENT) if agreement is None else f"{agreement:g}"
    if target is None:
        raise GalaxiesError(f"{classes}: does not record its target agreement; give --agreement")
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
    drawn = sample[columns].assign(answer="", place=np.arange(1, len(sample) + 1))
    told = Told(
        drawn=str(len(sample)),
        decided=str(decided),
        agreement=target,
        confidence=f"{confidence:g}",
        judged=ONCE if once else ANY_TIME,
        campaign=recorded(classes, CAMPAIGN) or UNKNOWN,
        table=fingerprint(classes),
    )
    drawn = drawn.assign(**told.of(drawn["galaxy_id"].tolist())._asdict())
    write_text_table(output, drawn)
    return len(sample), decided


def read_audit(classes: Path, answers: Path) -> Audited:
    """Join the answers of people and the decisions of the machine.

    Parameters
    ----------
    classes : Path
        The table from which the sample was drawn.
    answers : Path
        The CSV with the answers; galaxies without an answer are left out. The rows may be in
        another order.

    Returns
    -------
    Audited

    Raises
    ------
    GalaxiesError
        If the sample was drawn from another table, if one of its rows is missing or was altered, if
        an answer is unknown, if there are no answers, or if some are missing in a sample that is
        judged once.

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
    sample = read_sample(answers)
    first = sample[0].told
    if first.table != fingerprint(classes):
        raise GalaxiesError(
            f"{answers}: was drawn from another table than {classes} ({first.table[:12]}…); "
            "give that table, or draw a sample from this one"
        )
    given = {row.galaxy_id: row.answer for row in sample if row.answer}
    if not given:
        raise GalaxiesError(f"{answers}: no answers yet; fill in the column `answer`")
    last = max(place for place, row in enumerate(sample) if row.answer)
    once = first.judged == ONCE
    if once and len(given) < len(sample):
        raise GalaxiesError(
            f"{answers}: {len(given):,} of {len(sample):,} galaxies have an answer, and this "
            "sample is judged once, when all have one"
        )
    audited = _beside_decisions(classes, given, str(answers))
    return audited._replace(
        left_out=last + 1 - len(given),
        agreement=float(first.agreement),
        confidence=float(first.confidence),
        once=once,
    )


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
        If a folder or the survey cannot be used, if `galaxies votes` did not make it, if no galaxy
        was drawn at random, if none of these has votes, or if one was not decided by the machine.

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
    sample, agreement = _drawn(classes, subjects)
    table = read_votes(survey_file(survey, VOTES))
    votes = table[["p_smooth", "p_features", "p_artifact"]].to_numpy(np.float32)
    # By name: `007` and `7` have the same number in a survey.
    names = read_names(survey)
    voted = dict(zip(table["galaxy_id"].tolist(), most_voted(votes).tolist(), strict=True))
    seen = {names[number]: place for number, place in voted.items() if number in names}
    given = {name: ANSWERS[seen[name]] for name in sample if name in seen}
    folders = ", ".join(map(str, subjects))
    if not given:
        raise GalaxiesError(
            f"{survey}: has no votes on the {len(sample):,} galaxies that {folders} drew for "
            "an audit; give the survey that galaxies votes made of them, or wait for votes"
        )
    audited = _beside_decisions(classes, given, folders)
    promised, asked = recorded(classes, CAMPAIGN), read_campaign(survey).name
    return audited._replace(
        left_out=len(sample) - len(given),
        agreement=agreement,
        campaigns=(promised, asked) if promised not in (None, UNKNOWN, asked) else None,
    )


def _drawn(classes: Path, subjects: Sequence[Path]) -> tuple[list[str], float | None]:
    """Find the galaxies that subject sets drew at random from the decisions in a table.

    They come in random order: batch by batch, sorted by a hash of their names, because a manifest
    has the order of the table.
    """
    bundle = made_by(classes) if classes.is_file() else None
    table = fingerprint(classes) if classes.is_file() else None
    sample: dict[str, Subject] = {}
    for folder in subjects:
        for subject in read_manifest(folder):
            unlike = subject.bundle != UNKNOWN and not same_bundle(subject.bundle, bundle or "")
            if bundle and unlike:
                raise GalaxiesError(
                    f"{folder / MANIFEST}: line {subject.line}: another bundle than that of "
                    f"{classes} classified galaxy {subject.galaxy_id} ({subject.bundle[:12]}… and "
                    f"{bundle[:12]}…); give the table that was asked about"
                )
            if subject.chosen != AUDIT:
                continue
            if subject.table == UNKNOWN:
                raise GalaxiesError(
                    f"{folder / MANIFEST}: does not record its table, because an earlier version "
                    "made it; draw a new sample with galaxies ask --audit-share 1"
                )
            if table and subject.table != table:
                raise GalaxiesError(
                    f"{folder / MANIFEST}: line {subject.line}: galaxy {subject.galaxy_id} was "
                    f"drawn from another table than {classes} ({subject.table[:12]}…); give the "
                    "table that was asked about"
                )
            sample.setdefault(subject.galaxy_id, subject)
    if not sample:
        raise GalaxiesError(
            f"{', '.join(map(str, subjects))}: no galaxy was drawn for an audit; "
            "draw some with galaxies ask --audit-share 1"
        )
    order = sorted(sample.values(), key=lambda subject: (subject.batch, _lot(subject.galaxy_id)))
    target = order[0].agreement
    return [subject.galaxy_id for subject in order], None if target == UNKNOWN else float(target)


def _lot(galaxy_id: str) -> bytes:
    return hashlib.sha256(galaxy_id.encode()).digest()


def _beside_decisions(classes: Path, given: Mapping[str, str], source: str) -> Audited:
    """Look up the galaxies that have an answer; errors name the `source` of the answers."""
    p_spiral: dict[str, float] = {}
    decided: list[Probabilities] = []
    for piece in _decided(classes):
        decided.append(piece["p_spiral"].to_numpy(np.float32))
        sampled = piece[piece["galaxy_id"].isin(given.keys())]
        for galaxy_id, p in zip(sampled["galaxy_id"], sampled["p_spiral"], strict=True):
            if galaxy_id in p_spiral:
                raise GalaxiesError(f"{classes}: galaxy {galaxy_id} occurs twice")
            p_spiral[galaxy_id] = p
    for galaxy_id in given:
        if galaxy_id not in p_spiral:
            raise GalaxiesError(
                f"{source}: galaxy {galaxy_id} is not one that the machine decided in {classes}; "
                "give the table from which the sample was drawn"
            )
    return Audited(
        np.array([p_spiral[galaxy_id] for galaxy_id in given], np.float32),
        np.array([ANSWERS.index(answer) for answer in given.values()], np.int64),
        np.concatenate(decided),
    )


def _decided(classes: Path) -> Iterator[pd.DataFrame]:
    row, threshold = 0, recorded_threshold(classes)
    for piece in read_columns(classes, _NEEDED):
        refuse_edited(classes, piece, row, threshold)
        row += len(piece)
        decided = piece["decision"].notna() & ~piece["decision"].isin(["", UNDECIDED])
        yield piece[decided]
