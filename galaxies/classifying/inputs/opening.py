"""Open inputs: files, folders, archives and tables, on disk or in a bucket.

Every input is a sequence of chunks, the same in every run, so that an interrupted job only needs to
know which chunks are finished. A chunk usually has the locations of its images and not the images,
so that it can be sent to another machine.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from galaxies.classifying.inputs.archives import ZipInput
from galaxies.classifying.inputs.catalogues import CatalogueInput
from galaxies.classifying.inputs.chunks import IMAGE_SUFFIXES, TAR_SUFFIXES, Input
from galaxies.classifying.inputs.files import FilesInput, images_below
from galaxies.classifying.inputs.tables import TableInput, image_column
from galaxies.classifying.inputs.tars import CompressedTarInput, TarInput, is_compressed
from galaxies.errors import GalaxiesError
from galaxies.tables.catalogue import CATALOGUE_SUFFIXES
from galaxies.tables.columns import ColumnNames
from galaxies.tables.fits import is_fits_table
from galaxies.tables.hats import properties_file
from galaxies.tables.parquet import open_parquet_file, reading_parquet
from galaxies.tables.sources import filesystem, is_local, reaching

KNOWN_SUFFIXES: Final = tuple(
    dict.fromkeys((*IMAGE_SUFFIXES, ".zip", *TAR_SUFFIXES, *CATALOGUE_SUFFIXES))
)


def open_inputs(addresses: Sequence[str], names: ColumnNames = ColumnNames()) -> list[Input]:  # noqa: B008
    """Open all inputs.

    Parameters
    ----------
    addresses : sequence of str
        Paths, globs, or addresses that fsspec supports, such as `s3://bucket/folder`. Consecutive
        image files become one input. A folder without images that has Parquet tables is these.
    names : ColumnNames
        Columns of catalogues, where they have unusual names.

    Returns
    -------
    list of Input
        Each has at least one image. All catalogues have the same other columns.

    Raises
    ------
    GalaxiesError
        If an input does not exist, has an unknown suffix, contains no image, or is damaged.

    Examples
    --------
    >>> [(source.count, source.carried and source.carried.names) for source in open_inputs(
    ...     ["survey.zip", "cutouts/*.jpg", "catalogue.csv"]
    ... )]
    [(40, None), (6, None), (6, ['redshift'])]
    """
    inputs: list[Input] = []
    loose: list[str] = []

    def gather() -> None:
        if loose:
            inputs.append(FilesInput(loose[0], partial(_loose, tuple(loose))))
            loose.clear()

    for path in (path for address in addresses for path in _expanded(address)):
        if path.lower().endswith(IMAGE_SUFFIXES) and not is_fits_table(path):
            loose.append(path)
            continue
        gather()
        inputs.append(_open(path, names))
    gather()
    for source in inputs:
        if source.count == 0:
            raise GalaxiesError(f"{source.name}: contains no image")
    if not inputs:
        raise GalaxiesError("nothing to classify; give images, folders, archives or tables")
    carried = [source.carried for source in inputs if source.carried]
    if any(schema != carried[0] for schema in carried):
        raise GalaxiesError("the catalogues have different columns; classify them separately")
    return inputs


def _loose(paths: tuple[str, ...], _skipped: Counter[str]) -> Iterator[str]:
    return iter(paths)


def _expanded(address: str) -> list[str]:
    """List the paths of an address; local ones are absolute."""
    fs, path = filesystem(address)
    with reaching(address):
        if fs.exists(path):
            paths = [path]
        elif set("*?[") & set(path):
            paths = sorted(fs.glob(path))
            if not paths:
                raise GalaxiesError(f"{address}: no file matches")
        else:
            raise GalaxiesError(f"{address}: no such file or folder")
        paths = [path for match in paths for path in _tables_in(fs, match) or [match]]
    return paths if is_local(fs) else [fs.unstrip_protocol(path) for path in paths]


def _tables_in(fs: Any, path: str) -> list[str]:  # noqa: ANN401 - fsspec has no types
    """List the Parquet tables of a folder that has no images, as of Hugging Face's data sets."""
    if not fs.isdir(path):
        return []
    address = path if is_local(fs) else fs.unstrip_protocol(path)
    if properties_file(address):
        return []
    if next(images_below(address, Counter()), None) is not None:
        return []
    return sorted(file for file in fs.find(path) if file.lower().endswith(".parquet"))


def _open(path: str, names: ColumnNames) -> Input:
    fs, inside = filesystem(path)
    lower = path.lower()
    with reaching(path):
        folder = fs.isdir(inside)
    if folder and properties_file(path):
        return CatalogueInput(path, names)
    if folder:
        return FilesInput(path, partial(images_below, path))
    if lower.endswith(".zip"):
        return ZipInput(path)
    if lower.endswith(TAR_SUFFIXES):
        return CompressedTarInput(path) if is_compressed(path) else TarInput(path)
    if lower.endswith(".parquet"):
        with reading_parquet(path), open_parquet_file(path) as file:
            image = image_column(file.schema_arrow)
        if image:
            return TableInput(path, image, names)
    if lower.endswith(CATALOGUE_SUFFIXES):
        return CatalogueInput(path, names)
    raise GalaxiesError(f"{path}: unknown suffix; readable are {', '.join(KNOWN_SUFFIXES)}")
