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
        If the table lacks a column, if an ID occurs twice or a label is unknown, or if no image can
        be read.

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


def _campaign(catalogue: Catalogue, name: str | None) -> Campaign:
    """Find whose votes the table has."""
    columns = catalogue.schema.names
    if name is not None:
        asked = campaign_named(name)
        lacking = [column for column in asked.first.columns if column not in columns]
        if lacking and LABEL not in columns:
            raise GalaxiesError(f"{catalogue.name}: has no column {lacking[0]!r} of {name}")
        return asked
    for asked in CAMPAIGNS.values():
        if set(asked.first.columns) <= set(columns):
            return asked
    if LABEL in columns:
        return ASKED
    raise GalaxiesError(
        f"{catalogue.name}: needs a column {LABEL!r}, or the vote fractions of a campaign, such as "
        f"{', '.join(ASKED.first.columns)}; it has {', '.join(columns[:8])}"
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
    columns = [catalogue.ids, paths, *(voted or [LABEL])]
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
                votes = (
                    [_number(where, column, values[column][place]) for column in voted]
                    if voted
                    else _label(where, values[LABEL][place])
                )
                yield _Row(name, path, votes)
                bar.update()
            row += len(ids)


def _number(where: str, column: str, value: object) -> float | None:
    if value is None:
        return None
    try:
        return float(str(value))
    except ValueError as error:
        raise GalaxiesError(f"{where}: {column} is {value!r}, not a number") from error


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
