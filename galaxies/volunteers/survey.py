"""Make a survey of the volunteers' votes, in the layout of Kaggle's Galaxy Zoo challenge."""

import filecmp
import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxies.base.outputs import write_table, written_beside
from galaxies.base.words import many
from galaxies.dataset.layout import COUNTS, IMAGES, LARGEST_ID, VOTES, WHOLE_ID, write_campaign
from galaxies.dataset.votes import read_counts
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.questions.registry import ASKED
from galaxies.surveys.writing import SURVEY_FILES, add_image, free_folder
from galaxies.volunteers.answers import asked_questions, read_answer_maps
from galaxies.volunteers.export import Votes, read_export
from galaxies.volunteers.manifest import MANIFEST, Subject, read_manifest
from galaxies.volunteers.subjects import as_jpeg


class Counted(NamedTuple):
    """Result of `count_votes`."""

    galaxies: int
    classifications: int
    """Number that count: one for each galaxy and volunteer."""
    few: int
    """Number of galaxies left out because they have too few votes."""
    votes: Votes
    """All votes, and the rows of the export that were left out."""

    def say_left_out(self) -> list[str]:
        """List what does not count, and why."""
        lines = [
            f"{_left_out(tally.rows, 'row')} {why} (first in line {tally.line})"
            for why, tally in (self.votes.left_out | self.votes.broken).items()
        ]
        if self.votes.repeated:
            lines.append(f"{_left_out(self.votes.repeated, 'further answer')} of one volunteer")
        if self.few:
            lines.append(f"{_left_out(self.few, 'galaxy')} with too few votes")
        lines += [
            f"  task {task!r} is not in the map; it was answered {many(times, 'time')}"
            for task, times in sorted(self.votes.unmapped.items())
        ]
        return lines


def _left_out(count: int, noun: str) -> str:
    number, _, what = many(count, noun).partition(" ")
    return f"  left out {number:>10} {what}"


def galaxy_number(galaxy_id: str) -> int:
    """Find the GalaxyID of a galaxy in a survey.

    Parameters
    ----------
    galaxy_id : str
        A whole number is used unchanged. For a name the number is computed with SHA-256, so that a
        galaxy has the same number in every survey.

    Returns
    -------
    int
        Below 2⁶³.

    Examples
    --------
    >>> galaxy_number("587722952767439450"), galaxy_number("J1234+56.7")
    (587722952767439450, 7628514761218735781)
    """
    if WHOLE_ID.fullmatch(galaxy_id) and int(galaxy_id) <= LARGEST_ID:
        return int(galaxy_id)
    digest = hashlib.sha256(galaxy_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def read_names(survey: Path) -> dict[int, str]:
    """Find the IDs of the galaxies in a survey that `galaxies votes` made, by their numbers.

    Raises
    ------
    GalaxiesError
        If it did not make the survey: another one may have the same numbers for other galaxies.

    Examples
    --------
    >>> from pathlib import Path
    >>> len(read_names(Path("data/simulated")))
    40
    """
    path = survey / COUNTS
    if not path.is_file():
        raise GalaxiesError(
            f"{path}: no such file, so galaxies votes did not make this survey; give the one that "
            "it made of the answers about these subjects"
        )
    counts = read_counts(path)
    ids = counts["galaxy_id"]
    names = counts["name"] if "name" in counts.columns else ids
    return dict(zip(ids.tolist(), names.astype("str").tolist(), strict=True))


def count_votes(
    export: Path,
    answers: Path,
    subjects: Sequence[Path],
    output: Path,
    *,
    least_votes: int = 1,
    overwrite: bool = False,
) -> Counted:
    """Make a survey from a classification export.

    Parameters
    ----------
    export : Path
        Zooniverse's classification export.
    answers : Path
        The answer maps, as in `galaxies.volunteers.answers.EXAMPLE`.
    subjects : sequence of Path
        Folders made by `galaxies ask`, with the images.
    output : Path
        The survey to make.
    least_votes : int
        Galaxies with fewer votes are left out.
    overwrite : bool
        Whether to replace an existing survey.

    Returns
    -------
    Counted

    Raises
    ------
    GalaxiesError
        If one of the files cannot be used, if an image is missing, or if the output exists.

    Examples
    --------
    >>> from pathlib import Path
    >>> made = count_votes(
    ...     Path("export.csv"), Path("answers.yaml"), [Path("subjects")], Path("data/mine")
    ... )
    >>> made.galaxies, made.classifications > 400
    (10, True)
    """
    output = free_folder(output, overwrite, SURVEY_FILES)
    maps = read_answer_maps(answers)
    asked: dict[str, list[Subject]] = {}
    for folder in {given.resolve(): given for given in subjects}.values():
        for subject in read_manifest(folder):
            asked.setdefault(subject.galaxy_id, []).append(subject)
    for same in asked.values():
        _refuse_two_pictures(same)
    if not export.is_file():
        raise GalaxiesError(f"{export}: no such file; download the project's classification export")
    votes = read_export(export, maps, asked, str(answers))
    image = partial(_image_of, asked)
    made = write_survey(output, votes, asked_questions(maps), image, least_votes=least_votes)
    if made is None:
        raise GalaxiesError(
            f"{export}: no galaxy has an answer to the first question and {least_votes} votes; "
            "wait for more, or lower --least-votes"
        )
    return made


def _refuse_two_pictures(subjects: Sequence[Subject]) -> None:
    """Refuse two galaxies with one ID: their votes would become those of one."""
    first, *others = subjects
    for other in others:
        both = first.image.is_file() and other.image.is_file()
        if both and not filecmp.cmp(first.image, other.image, shallow=False):
            raise GalaxiesError(
                f"galaxy {first.galaxy_id!r} is another picture in {first.image.parent} than in "
                f"{other.image.parent}; count the votes of each folder alone"
            )


def _image_of(subjects: Mapping[str, Sequence[Subject]], galaxy_id: str) -> bytes:
    """Read the JPEG of a subject."""
    subject = subjects[galaxy_id][0]
    image = subject.image
    if not image.is_file():
        raise GalaxiesError(
            f"{image.parent / MANIFEST}: line {subject.line}: {image.name} is missing; "
            "copy it back into the folder"
        )
    try:
        return as_jpeg(image.read_bytes())
    except UnreadableImageError as error:
        raise GalaxiesError(f"{image} {error}; copy it again") from error


def write_survey(
    output: Path,
    votes: Votes,
    asked: Sequence[int],
    jpeg: Callable[[str], bytes],
    *,
    least_votes: int = 1,
) -> Counted | None:
    """Write a survey of counted votes.

    Parameters
    ----------
    output : Path
        The folder of the survey; an existing one is replaced.
    votes : Votes
        The votes on each galaxy.
    asked : sequence of int
        Numbers of the questions that were asked.
    jpeg : callable
        Returns the JPEG, in bytes, of a galaxy ID.
    least_votes : int
        Galaxies with fewer votes are left out.

    Returns
    -------
    Counted or None
        `None` if no galaxy is left; then nothing is written.

    Raises
    ------
    GalaxiesError
        If two galaxies get the same number, or if the folder cannot be written.

    Examples
    --------
    >>> from collections import Counter
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.volunteers.export import Votes
    >>> counts = np.zeros((1, 37), np.int32)
    >>> counts[0, :3] = [30, 10, 0]
    >>> votes = Votes(["100008"], counts, counts.sum(axis=1), 40, 0, {}, {}, Counter())
    >>> image = next(Path("subjects").glob("*.jpg")).read_bytes()
    >>> write_survey(Path("data/mine"), votes, [1], lambda galaxy_id: image).classifications
    40
    >>> print(Path("data/mine/training_solutions_rev1.csv").read_text(), end="")
    GalaxyID,Class1.1,Class1.2,Class1.3
    100008,0.75,0.25,0
    """
    counts, few = _table(votes, asked, least_votes)
    if counts.empty:
        return None
    with written_beside(output) as beside:
        beside.mkdir()
        _write_tables(beside, counts)
        with zipfile.ZipFile(beside / IMAGES, "w", zipfile.ZIP_STORED) as archive:
            rows = zip(counts["galaxy_id"], counts["name"], strict=True)
            for number, name in tqdm(rows, "write survey", len(counts), unit=" images"):
                add_image(archive, number, jpeg(name))
    kept = pd.Series(votes.volunteers, index=votes.galaxies)[counts["name"].tolist()]
    return Counted(len(counts), int(kept.sum()), few, votes)


def _table(votes: Votes, asked: Sequence[int], least_votes: int) -> tuple[pd.DataFrame, int]:
    """Keep galaxies with enough votes; also returns the number of others."""
    enough = votes.volunteers >= least_votes
    if 1 in asked:  # the question that defines the classes
        enough &= votes.counts[:, ASKED.first.places].sum(axis=1) > 0
    else:
        enough &= votes.volunteers > 0
    table = pd.DataFrame(votes.counts[enough].astype(np.int32), columns=list(ASKED.columns))
    kept = [column for number in asked for column in ASKED.questions[number - 1].columns]
    table = table[kept]
    names = [name for name, is_enough in zip(votes.galaxies, enough, strict=True) if is_enough]
    table.insert(0, "galaxy_id", np.array([galaxy_number(name) for name in names], np.int64))
    table["name"] = pd.Series(names, dtype="str")
    table = table.sort_values("galaxy_id", ignore_index=True)
    twice = table["galaxy_id"].duplicated(keep=False)
    if twice.any():
        first, second = table["name"][twice].iloc[:2]
        raise GalaxiesError(
            f"galaxies {first!r} and {second!r} get the same number in a survey; rename one"
        )
    return table, int((~enough).sum())


def _write_tables(folder: Path, table: pd.DataFrame) -> None:
    """Write the vote fractions, as Kaggle defines them, and the counts."""
    counts = table.drop(columns="name")
    columns = list(ASKED.columns)
    everything = counts.reindex(columns=columns, fill_value=0).to_numpy(np.float64)
    within = ASKED.within_questions(everything)
    shares = pd.DataFrame(ASKED.down_the_tree(within), columns=columns)
    shares = shares[[column for column in columns if column in counts.columns]]
    shares.insert(0, "GalaxyID", counts["galaxy_id"])
    write_campaign(folder, ASKED)
    # Nine digits, so that the answers to a question add up.
    shares.to_csv(folder / VOTES, index=False, float_format="%.9g", lineterminator="\n")
    named = table["name"] != table["galaxy_id"].astype("str")
    write_table(folder / COUNTS, table if named.any() else counts)
