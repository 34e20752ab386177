"""Make a survey from a catalogue of images with labels or vote fractions."""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tqdm import tqdm

from galaxies.base.outputs import written_beside, zip_member
from galaxies.dataset.layout import (
    IMAGES,
    LARGEST_ID,
    VOTES,
    WHOLE_ID,
    image_name,
    write_campaign,
)
from galaxies.dataset.vote_table import LARGEST_SUM, LEAST_SUM
from galaxies.errors import GalaxiesError
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError
from galaxies.images.pixels import read_frame
from galaxies.questions.campaign import Campaign
from galaxies.questions.registry import ASKED, CAMPAIGNS, campaign_named
from galaxies.surveys.writing import IDS, SURVEY_FILES, free_folder
from galaxies.tables.catalogue import Catalogue, read_catalogue
from galaxies.tables.columns import (
    ID_NAMES,
    PATH_NAMES,
    ColumnNames,
    choose_column,
    exact_ids,
)
from galaxies.tables.sources import opened

LABEL: Final = "label"

_LABELS: Final = {
    "elliptical": 0, "smooth": 0, "spiral": 1, "features": 1, "disk": 1, "artifact": 2, "star": 2,
}  # fmt: skip
"""Labels and the answer to the first question that they stand for."""

_OF_THE_MACHINE: Final = ("decision", "p_spiral", "bundle")
"""Columns of a table from `galaxies classify`, whose `label` is no vote."""

_INPUT_LABEL: Final = f"input_{LABEL}"
"""Name that `galaxies classify` gives to a column `label` of its input."""

_JPEG: Final = b"\xff\xd8\xff"
_PNG: Final = b"\x89PNG\r\n"
_SHOWN: Final = 3  # images that cannot be read and are named


class FromTable(NamedTuple):
    """What `survey_from_table` wrote."""

    galaxies: int
    campaign: str
    renumbered: bool
    """Whether the IDs are text, so that galaxies got numbers, in `ids.csv`."""
    unreadable: tuple[str, ...]
    """IDs and reasons of the images that were left out."""


def survey_from_table(
    table: str,
    output: Path,
    *,
    names: ColumnNames = ColumnNames(),  # noqa: B008 - it is a constant
    campaign: str | None = None,
    overwrite: bool = False,
) -> FromTable:
    r"""Make a survey from a catalogue of IDs, image files, and labels or vote fractions.

    Parameters
    ----------
    table : str
        A table that `galaxies.tables.catalogue.read_catalogue` reads. It has a column of IDs, one
        of files, relative to its folder, and either `label` (elliptical, spiral, or artifact) or
        the columns of a campaign.
    output : Path
        Folder to write; it appears only when it is complete.
    names : ColumnNames
        Columns of IDs and files, where they have unusual names.
    campaign : str, optional
        Campaign of the vote fractions; by default the first whose first question the table has.
    overwrite : bool
        Replace an existing survey.

    Returns
    -------
    FromTable

    Raises
    ------
    GalaxiesError
        If the table lacks a column, if its labels are those of the machine, if an ID occurs twice,
        if a label is unknown or contradicts the votes, if votes are no fractions, or if no image
        can be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> rows = [f"J{n},{path},spiral" for n, path in enumerate(sorted(Path("cutouts").iterdir()))]
    >>> _ = Path("mine.csv").write_text("\n".join(["id,path,label", *rows]))
    >>> made = survey_from_table("mine.csv", Path("data/labelled"))
    >>> made.galaxies, made.campaign, made.renumbered
    (6, 'gz2', True)
    """
    output = free_folder(output, overwrite, SURVEY_FILES)
    catalogue = read_catalogue(table, names.ids)
    columns = catalogue.schema.names
    paths = choose_column(table, columns, PATH_NAMES, "--path", names.paths)
    if catalogue.ids is None or paths is None:
        raise GalaxiesError(
            f"{table}: needs a column of IDs ({', '.join(ID_NAMES)}, or --id) and one of files "
            f"({', '.join(PATH_NAMES)}, or --path); it has {', '.join(columns[:8])}"
        )
    _refuse_labels(catalogue)
    asked = _campaign(catalogue, campaign)
    numbers = _numbers(catalogue)
    renumbered = any(name != str(number) for name, number in numbers.items())
    unreadable: list[str] = []
    galaxies = 0
    with written_beside(output) as beside:
        beside.mkdir()
        write_campaign(beside, asked)
        with (
            (beside / VOTES).open("w", encoding="utf-8", newline="") as file,
            zipfile.ZipFile(beside / IMAGES, "w") as archive,
        ):
            writer = csv.writer(file, lineterminator="\n")
            voted = [column for column in asked.columns if column in columns] or list(
                asked.first.columns
            )
            writer.writerow(["GalaxyID", *voted])
            for row in _rows(catalogue, paths, asked):
                try:
                    data, suffix = _image(row.path)
                except UnreadableImageError as error:
                    unreadable.append(f"{row.galaxy_id} {error}")
                    continue
                number = numbers[row.galaxy_id]
                archive.writestr(zip_member(image_name(number, suffix)), data)
                writer.writerow([number, *row.votes])
                galaxies += 1
        if not galaxies:
            raise GalaxiesError(f"{table}: no image can be read: {'; '.join(unreadable[:_SHOWN])}")
        if renumbered:
            _write_ids(beside / IDS, numbers)
    return FromTable(galaxies, asked.name, renumbered, tuple(unreadable))


def _refuse_labels(catalogue: Catalogue) -> None:
    """Refuse labels that are ambiguous, or that a machine gave: they are no votes of people."""
    columns = catalogue.schema.names
    labels = [column for column in columns if column.strip().lower() == LABEL]
    if len(labels) > 1:
        raise GalaxiesError(
            f"{catalogue.name}: columns {' and '.join(map(repr, labels))}: which has the labels? "
            "Rename or remove the other"
        )
    made = [column for column in _OF_THE_MACHINE if column in columns]
    if LABEL in columns and made:
        remedy = "give labels that people gave"
        if _INPUT_LABEL in columns:
            remedy = (
                f"the people's labels are in {_INPUT_LABEL!r}: remove {LABEL!r} and "
                f"{', '.join(map(repr, made))}, and rename {_INPUT_LABEL!r} to {LABEL!r}"
            )
        raise GalaxiesError(
            f"{catalogue.name}: {LABEL!r} is what the machine said, because galaxies classify made "
            f"the table (it has {', '.join(map(repr, made))}), and no vote; {remedy}"
        )


def _campaign(catalogue: Catalogue, name: str | None) -> Campaign:
    """Find whose votes the table has."""
    columns = catalogue.schema.names
    if name is not None:
        asked = campaign_named(name)
        lacking = [column for column in asked.first.columns if column not in columns]
        if lacking and LABEL not in columns:
            raise GalaxiesError(f"{catalogue.name}: has no column {lacking[0]!r} of {name}")
        if lacking:
            _refuse_some_votes(catalogue, asked)
        return asked
    for asked in CAMPAIGNS.values():
        if set(asked.first.columns) <= set(columns):
            return asked
    if LABEL in columns:
        for asked in CAMPAIGNS.values():
            _refuse_some_votes(catalogue, asked)
        return ASKED
    raise GalaxiesError(
        f"{catalogue.name}: needs a column {LABEL!r}, or the vote fractions of a campaign, such as "
        f"{', '.join(ASKED.first.columns)}; it has {', '.join(columns[:8])}"
    )


def _refuse_some_votes(catalogue: Catalogue, asked: Campaign) -> None:
    """Refuse votes beside labels that do not answer the first question."""
    columns = catalogue.schema.names
    some = [column for column in asked.columns if column in columns]
    lacking = [column for column in asked.first.columns if column not in columns]
    if some and lacking:
        raise GalaxiesError(
            f"{catalogue.name}: has {LABEL!r} and {some[0]!r}, but not {lacking[0]!r} of the same "
            f"question; add it, or remove the columns of {asked.name} so that the labels count"
        )


def _numbers(catalogue: Catalogue) -> dict[str, int]:
    """Give each galaxy its number: its ID if all are whole numbers, else its place."""
    assert catalogue.ids is not None
    ids: dict[str, int] = {}
    row = 0
    for piece in catalogue.pieces([catalogue.ids]):
        for name in exact_ids(catalogue.name, catalogue.ids, piece[catalogue.ids], row):
            row += 1
            if name in ids:
                raise GalaxiesError(
                    f"{catalogue.name}: galaxy {name!r} occurs twice, in rows {ids[name]} and {row}"
                )
            ids[name] = row
    whole = all(WHOLE_ID.fullmatch(name) and int(name) <= LARGEST_ID for name in ids)
    if whole and len({int(name) for name in ids}) == len(ids):
        return {name: int(name) for name in ids}
    return ids


class _Row(NamedTuple):
    galaxy_id: str
    path: str
    votes: Sequence[float | None]


def _rows(catalogue: Catalogue, paths: str, asked: Campaign) -> Iterator[_Row]:
    assert catalogue.ids is not None
    folder = catalogue.name.rpartition("/")[0] or "."
    voted = [column for column in asked.columns if column in catalogue.schema.names]
    labelled = [LABEL] if LABEL in catalogue.schema.names else []
    columns = [catalogue.ids, paths, *voted, *labelled]
    row = 0
    with tqdm(total=catalogue.count, desc="survey", unit=" galaxies", unit_scale=True) as bar:
        for piece in catalogue.pieces(columns, 1000):
            ids = exact_ids(catalogue.name, catalogue.ids, piece[catalogue.ids], row)
            values = piece.to_pydict()
            for place, name in enumerate(ids):
                path = values[paths][place] or ""
                if not (path.startswith("/") or "://" in path):
                    path = f"{folder}/{path}"
                where = f"{catalogue.name}: row {row + place + 1}"
                label = values[LABEL][place] if labelled else None
                if voted:
                    votes = {c: _fraction(where, c, values[c][place]) for c in voted}
                    _refuse_first(where, asked, votes, label)
                    yield _Row(name, path, list(votes.values()))
                else:
                    yield _Row(name, path, _label(where, label))
                bar.update()
            row += len(ids)


def _fraction(where: str, column: str, value: object) -> float | None:
    if value is None:
        return None
    try:
        number = float(str(value))
    except ValueError as error:
        raise GalaxiesError(f"{where}: {column} is {value!r}, not a number") from error
    if not 0 <= number <= 1:
        raise GalaxiesError(
            f"{where}: {column} is {value!r}, not between 0 and 1; give the fraction of the "
            "volunteers for each answer, and no value where they were not asked"
        )
    return number


def _refuse_first(
    where: str, asked: Campaign, votes: Mapping[str, float | None], label: object
) -> None:
    """Refuse answers to the first question that do not add up, or are not those of the label."""
    first = asked.first.columns
    given = [votes[column] for column in first]
    known = [fraction for fraction in given if fraction is not None]
    if len(known) < len(given):
        if known:
            lacking = first[given.index(None)]
            raise GalaxiesError(
                f"{where}: {lacking} has no value, but other answers to its question have; fill it "
                "in, 0 if nobody gave this answer"
            )
        return
    if not LEAST_SUM <= sum(known) <= LARGEST_SUM:
        raise GalaxiesError(
            f"{where}: {', '.join(first)} sum to {sum(known):.4g}, not to 1; give the fraction of "
            "the volunteers for each answer"
        )
    if label is not None:
        place = _label(where, label).index(1)
        if known[place] < max(known):
            raise GalaxiesError(
                f"{where}: label is {label!r}, but most votes are for "
                f"{first[known.index(max(known))]}; remove the column {LABEL!r}, or those of the "
                "votes, whichever is wrong"
            )


def _label(where: str, value: object) -> list[float]:
    place = _LABELS.get(str(value).strip().lower())
    if place is None:
        raise GalaxiesError(f"{where}: label is {value!r}, not one of {', '.join(_LABELS)}")
    return [float(place == answer) for answer in range(3)]


def _image(path: str) -> tuple[bytes, str]:
    """Read an image: JPEG and PNG unchanged, FITS as the PNG that the models see."""
    try:
        with opened(path) as file:
            data = file.read(LARGEST_IMAGE + 1)
    except GalaxiesError as error:
        raise UnreadableImageError(str(error)) from error
    if len(data) > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    if data.startswith(_JPEG):
        return data, ".jpg"
    if data.startswith(_PNG):
        return data, ".png"
    frame = io.BytesIO()
    read_frame(data).save(frame, "PNG")
    return frame.getvalue(), ".png"


def _write_ids(path: Path, numbers: Mapping[str, int]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["GalaxyID", "id"])
        writer.writerows((number, name) for name, number in numbers.items())
