"""The survey Galaxy Zoo 2: images from Zenodo, votes from the catalogue of Hart et al. (2016)."""

import gzip
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final, Literal, NamedTuple

import pandas as pd
from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.dataset.archive import open_archive
from galaxies.dataset.layout import IMAGES, VOTES, write_campaign
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import Campaign
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.surveys.check import Report, check_survey
from galaxies.surveys.download.fetch import fetch
from galaxies.surveys.writing import SURVEY_FILES, StoredImage, add_image, free_folder

ZENODO: Final = "https://zenodo.org/records/3565489"
CATALOGUES: Final = "https://data.galaxyzoo.org"


class _File(NamedTuple):
    """A file on the web."""

    url: str
    md5: str | None
    """As Zenodo states it; none is published for the catalogue, whose gzip checksum is checked."""
    page: str


_MAPPING: Final = _File(
    f"{ZENODO}/files/gz2_filename_mapping.csv", "7e28465e6dfbf96c0d828c595a5bbd80", ZENODO
)
_CATALOGUE: Final = _File("https://gz2hart.s3.amazonaws.com/gz2_hart16.csv.gz", None, CATALOGUES)
_ARCHIVE: Final = _File(
    f"{ZENODO}/files/images_gz2.zip", "bc647032d31e50c798770cf4430525c7", ZENODO
)

# Kaggle's questions in order: the answer that leads to each, its name in the catalogue, and the
# names of its answers. "Is there anything odd?" is asked of all.
_QUESTIONS: Final = (
    ("", "t01_smooth_or_features", "a01_smooth a02_features_or_disk a03_star_or_artifact"),
    ("Class1.2", "t02_edgeon", "a04_yes a05_no"),
    ("Class2.2", "t03_bar", "a06_bar a07_no_bar"),
    ("Class2.2", "t04_spiral", "a08_spiral a09_no_spiral"),
    (
        "Class2.2",
        "t05_bulge_prominence",
        "a10_no_bulge a11_just_noticeable a12_obvious a13_dominant",
    ),
    ("", "t06_odd", "a14_yes a15_no"),
    ("Class1.1", "t07_rounded", "a16_completely_round a17_in_between a18_cigar_shaped"),
    (
        "Class6.1",
        "t08_odd_feature",
        "a19_ring a20_lens_or_arc a21_disturbed a22_irregular a23_other a24_merger a38_dust_lane",
    ),
    ("Class2.1", "t09_bulge_shape", "a25_rounded a26_boxy a27_no_bulge"),
    ("Class4.1", "t10_arms_winding", "a28_tight a29_medium a30_loose"),
    (
        "Class4.1",
        "t11_arms_number",
        "a31_1 a32_2 a33_3 a34_4 a36_more_than_4 a37_cant_tell",
    ),
)

CatalogueVotes = Literal["weighted", "debiased"]
"""Which fractions of the catalogue: weighted by how well volunteers agree with others, or also
corrected for distance."""

_ENDINGS: Final[dict[CatalogueVotes, str]] = {
    "weighted": "weighted_fraction",
    "debiased": "debiased",
}

_CAMPAIGNS: Final[dict[CatalogueVotes, Campaign]] = {"weighted": GZ2, "debiased": KAGGLE}
"""The campaign of the survey: the debiased fractions are nearest to Kaggle's votes."""


def fraction_columns(votes: CatalogueVotes) -> dict[str, str]:
    """Map Kaggle's 37 columns to the columns of the catalogue that they are made of.

    Examples
    --------
    >>> fraction_columns("debiased")["Class3.1"]
    't03_bar_a06_bar_debiased'
    """
    return {
        f"Class{number}.{place}": f"{question}_{answer}_{_ENDINGS[votes]}"
        for number, (_, question, answers) in enumerate(_QUESTIONS, start=1)
        for place, answer in enumerate(answers.split(), start=1)
    }


def kaggle_votes(catalogue: pd.DataFrame, which: CatalogueVotes = "weighted") -> pd.DataFrame:
    """Turn the catalogue's vote fractions into Kaggle's columns.

    The catalogue gives shares of those who were asked a question, rounded. Kaggle makes them sum
    to 1 and multiplies them by the share of volunteers who came there:
    https://www.kaggle.com/c/galaxy-zoo-the-galaxy-challenge, "The Galaxy Zoo Decision Tree". The
    questions are those of Willett et al. (2013), table 2.

    Parameters
    ----------
    catalogue : DataFrame
        With the columns of `fraction_columns`, from 0 to 1; NaN where nobody was asked.
    which : {"weighted", "debiased"}
        Which fractions.

    Returns
    -------
    DataFrame
        Kaggle's 37 columns, float64, six decimals; the same rows.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = fraction_columns("weighted")
    >>> nobody = pd.DataFrame(0.0, index=[0], columns=list(columns.values()))
    >>> smooth = nobody.assign(**{columns["Class1.1"]: 0.61, columns["Class1.2"]: 0.41})
    >>> kaggle_votes(smooth)["Class1.1"][0].item()
    0.598039
    """
    votes = pd.DataFrame(index=catalogue.index)
    for leads_here, question, _ in _QUESTIONS:
        columns = {
            column: fraction
            for column, fraction in fraction_columns(which).items()
            if fraction.startswith(f"{question}_")
        }
        asked = catalogue[list(columns.values())].fillna(0.0)
        total = asked.sum(axis=1)
        shares = asked.div(total.where(total > 0, 1.0), axis=0)
        if leads_here:
            shares = shares.mul(votes[leads_here], axis=0)
        votes[list(columns)] = shares
    return votes.round(6)


def download_gz2(
    output: Path,
    *,
    votes: CatalogueVotes = "weighted",
    mirror: str | None = None,
    overwrite: bool = False,
) -> Report:
    """Make the survey from what is published, 3.4 GB.

    Galaxies without an image, without votes on the first question or without a row in the
    catalogue are left out. A GalaxyID is the image's number (`asset_id`); the column `dr7objid`
    keeps the galaxy's name in SDSS.

    Parameters
    ----------
    output : Path
        The survey to make, whole or not at all. What is downloaded lies beside it, in
        `.<name>.download`, until the survey is made: a call that was cut off goes on there.
    votes : {"weighted", "debiased"}
        Which fractions of the catalogue. `survey.yaml` says `gz2` for weighted ones and `kaggle`
        for debiased ones, which are nearest to Kaggle's votes without being equal.
    mirror : str, optional
        A folder on the web that holds the three files, in place of the published addresses.
    overwrite : bool
        Whether a survey that is there is replaced.

    Raises
    ------
    GalaxiesError
        If a file cannot be had, is damaged or is another, or the output is there already.

    Examples
    --------
    >>> report = download_gz2(Path("data/gz2"))  # doctest: +SKIP
    """
    output = free_folder(output, overwrite, SURVEY_FILES)
    folder = output.with_name(f".{output.name}.download")
    mapping, catalogue, archive = (
        fetch(
            f"{mirror.rstrip('/')}/{file.url.rpartition('/')[2]}" if mirror else file.url,
            folder,
            md5=file.md5,
            page=file.page,
        )
        for file in (_MAPPING, _CATALOGUE, _ARCHIVE)
    )
    with written_beside(output) as beside, open_archive(archive) as images:
        beside.mkdir()
        names = _images(images)
        table = _votes(catalogue, mapping, names, votes)
        table.to_csv(beside / VOTES, index=False, float_format="%.6f", lineterminator="\n")
        write_campaign(beside, _CAMPAIGNS[votes])
        with zipfile.ZipFile(beside / IMAGES, "w", zipfile.ZIP_STORED) as target:
            for galaxy_id in tqdm(table["GalaxyID"], "survey", unit=" images"):
                add_image(target, galaxy_id, StoredImage(images, names[galaxy_id]))
        report = check_survey(beside)
    shutil.rmtree(folder)
    return report


def _images(archive: zipfile.ZipFile) -> dict[int, str]:
    """Find the images by their numbers, among what macOS leaves in an archive."""
    names = {}
    for name in archive.namelist():
        path = PurePosixPath(name)
        if path.suffix == ".jpg" and path.stem.isdecimal() and "__MACOSX" not in path.parts:
            names[int(path.stem)] = name
    return names


def _votes(
    catalogue: Path, mapping: Path, names: dict[int, str], which: CatalogueVotes
) -> pd.DataFrame:
    """Join votes and images; one row for each galaxy that has both, in order of GalaxyID."""
    columns = fraction_columns(which)
    table = _read(catalogue, {"dr7objid": str} | dict.fromkeys(columns.values(), float))
    numbers = _read(mapping, {"objid": str, "asset_id": int})
    numbers = numbers[numbers["asset_id"].isin(names.keys())]
    table = table[table[[columns[f"Class1.{place}"] for place in (1, 2, 3)]].sum(axis=1) > 0]
    table = table.merge(numbers, left_on="dr7objid", right_on="objid")
    # A galaxy seen in two samples of the mapping has one image here.
    table = table.sort_values("asset_id").drop_duplicates("dr7objid").drop_duplicates("asset_id")
    if table.empty:
        raise GalaxiesError(f"{catalogue} and {mapping} have no galaxy with an image in common")
    votes = kaggle_votes(table, which)
    votes.insert(0, "GalaxyID", table["asset_id"])
    return votes.assign(dr7objid=table["dr7objid"])


def _read(path: Path, columns: dict[str, type]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, usecols=list(columns), dtype=columns)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        path.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise GalaxiesError(
            f"{path.name}: not the expected file ({reason}); it was deleted, run this again"
        ) from error
