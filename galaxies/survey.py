"""A survey: a folder with images and votes in the layout of Kaggle's Galaxy Zoo challenge."""

import re
import reprlib
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from galaxies.errors import GalaxiesError

IMAGES: Final = "images_training_rev1.zip"
VOTES: Final = "training_solutions_rev1.csv"
VOTE_COLUMNS: Final = {"Class1.1": "p_smooth", "Class1.2": "p_features", "Class1.3": "p_artifact"}
IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
_WHOLE: Final = re.compile("[0-9]{1,19}")
# 19 digits fit Python's int but not always an int64.
_LARGEST_ID: Final = 2**63 - 1


class Member(NamedTuple):
    """One image in the archive."""

    galaxy_id: int
    name: str


def survey_file(folder: Path, name: str) -> Path:
    """Find a file of the survey.

    Parameters
    ----------
    folder
        Such as `data/gz1`.
    name
        `IMAGES` or `VOTES`.

    Raises
    ------
    GalaxiesError
        If the folder or the file is absent.
    """
    if not folder.is_dir():
        raise GalaxiesError(
            f"{folder}: no such folder; put {IMAGES} and {VOTES} there, or set `survey` in "
            "params.yaml to a folder under data/"
        )
    path = folder / name
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such file; a survey holds {IMAGES} and {VOTES}")
    return path


def list_images(path: Path) -> list[Member]:
    """List the images of a zip archive without extracting them.

    Parameters
    ----------
    path
        The archive. Folders in it do not matter; a member's stem is its GalaxyID.

    Returns
    -------
    list of Member
        In order of GalaxyID, so that nothing depends on the archive's order.

    Raises
    ------
    GalaxiesError
        If the archive is empty, cut off or not a zip, or if a member climbs out of its folder,
        is no image by its suffix, has no GalaxyID, is encrypted or repeats a GalaxyID.
    """
    members: dict[int, Member] = {}
    with open_archive(path) as archive:
        for info in archive.infolist():
            name = PurePosixPath(info.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in str(name).split("/")[0]:
                raise GalaxiesError(f"{path}: member {info.filename!r} points outside the archive")
            if info.is_dir() or "__MACOSX" in name.parts or name.name == ".DS_Store":
                continue
            if name.suffix.lower() not in IMAGE_SUFFIXES:
                raise GalaxiesError(
                    f"{path}: member {info.filename!r} is not an image; "
                    "remove it (.jpg, .jpeg and .png are read)"
                )
            if info.flag_bits & 0x1:
                raise GalaxiesError(f"{path}: member {info.filename!r} is encrypted")
            if not _WHOLE.fullmatch(name.stem) or int(name.stem) > _LARGEST_ID:
                raise GalaxiesError(
                    f"{path}: member {info.filename!r} is not named by a GalaxyID, as 100008.jpg is"
                )
            member = Member(int(name.stem), info.filename)
            first = members.setdefault(member.galaxy_id, member)
            if first is not member:
                raise GalaxiesError(
                    f"{path}: GalaxyID {member.galaxy_id} twice: {first.name!r} and {member.name!r}"
                )
    if not members:
        raise GalaxiesError(f"{path}: holds no image")
    return [members[galaxy_id] for galaxy_id in sorted(members)]


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive for reading; one that is cut off or none at all is a `GalaxiesError`."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        what = "is empty" if path.stat().st_size == 0 else "is cut off or no zip archive"
        raise GalaxiesError(f"{path}: {what}; copy or download it again") from error


def read_votes(path: Path) -> pd.DataFrame:
    """Read and check the volunteers' vote fractions.

    Parameters
    ----------
    path
        A CSV file with the columns `GalaxyID` and `VOTE_COLUMNS`; others are ignored.

    Returns
    -------
    DataFrame
        `galaxy_id` int64 and `p_smooth`, `p_features`, `p_artifact` float32, in order of
        `galaxy_id`.

    Raises
    ------
    GalaxiesError
        If the file is empty or no CSV, a column is missing, or a row has an ID that is no whole
        number or stands twice, or a vote that is no number in [0, 1], or no vote at all. The
        line in the file is named.
    """
    try:
        # As text first: a float64 would round the 18 digits of an SDSS objID.
        # Blank lines are read, so that a row's place tells its line.
        table = pd.read_csv(
            path, dtype=str, encoding="utf-8-sig", keep_default_na=False, skip_blank_lines=False
        ).fillna("")
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise GalaxiesError(f"{path}: not a CSV table: {str(error).strip()}") from error
    except UnicodeDecodeError as error:
        raise GalaxiesError(f"{path}: not UTF-8 text at byte {error.start}") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first field for a name
        raise GalaxiesError(f"{path}: rows have more fields than the header")
    for column in ("GalaxyID", *VOTE_COLUMNS):
        if column not in table.columns:
            raise GalaxiesError(
                f"{path}: no column {column!r}; found {', '.join(table.columns[:8])[:200]!r}"
            )
        if f"{column}.1" in table.columns:  # pandas's name for another one
            raise GalaxiesError(f"{path}: column {column!r} twice")
    table = table[(table != "").any(axis=1)]
    if table.empty:
        raise GalaxiesError(f"{path}: no rows")

    texts = table["GalaxyID"].str.strip()
    whole = texts.str.fullmatch(_WHOLE.pattern)
    fits = whole & (texts.where(whole, "0").map(int) <= _LARGEST_ID)
    _refuse(path, ~fits, lambda row: f"GalaxyID {reprlib.repr(texts[row])} is not a whole number")
    frame = pd.DataFrame({"galaxy_id": texts.astype("int64")})
    repeated = frame["galaxy_id"].duplicated()
    _refuse(path, repeated, lambda row: f"GalaxyID {texts[row]} stands twice")
    for column, name in VOTE_COLUMNS.items():
        numbers = pd.to_numeric(table[column].str.strip(), errors="coerce")
        found = table[column]
        _refuse(
            path,
            ~numbers.between(0, 1),
            lambda row, column=column, found=found: (  # type: ignore[misc]
                f"{column} of GalaxyID {texts[row]} is {reprlib.repr(found[row])}, not from 0 to 1"
            ),
        )
        frame[name] = numbers.astype(np.float32)
    none = frame["p_smooth"] + frame["p_features"] + frame["p_artifact"] <= 0
    _refuse(path, none, lambda row: f"GalaxyID {texts[row]} has no votes at all")
    return frame.sort_values("galaxy_id", ignore_index=True)


def _refuse(path: Path, bad: "pd.Series[bool]", say: Callable[[int], str]) -> None:
    """Name the first bad row by its line in the file, and how many more there are."""
    rows = bad.index[bad]
    if len(rows):
        more = f" (and {len(rows) - 1} more such rows)" if len(rows) > 1 else ""
        raise GalaxiesError(f"{path}: line {rows[0] + 2}: {say(int(rows[0]))}{more}")
