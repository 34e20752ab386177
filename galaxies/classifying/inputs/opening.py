"""Open inputs: files, folders, archives and tables, on disk or in a bucket.

Every input is a sequence of chunks, the same in every run, so that an interrupted job only needs to
know which chunks are finished. A chunk usually has the locations of its images and not the images,
so that it can be sent to another machine.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from galaxies.classifying.inputs.archives import ZipInput
from galaxies.classifying.inputs.chunks import (
    IMAGE_SUFFIXES,
    TAR_SUFFIXES,
    Input,
    filesystem,
    is_local,
    reaching,
)
from galaxies.classifying.inputs.files import FilesInput, images_below
from galaxies.classifying.inputs.tables import (
    CsvCatalogue,
    ParquetCatalogue,
    TableInput,
    image_column,
    open_table,
    reading_table,
)
from galaxies.classifying.inputs.tars import CompressedTarInput, TarInput, is_compressed
from galaxies.errors import GalaxiesError

KNOWN_SUFFIXES: Final = (*IMAGE_SUFFIXES, ".zip", *TAR_SUFFIXES, ".parquet", ".csv")


def open_inputs(addresses: Sequence[str]) -> list[Input]:
    """Open all inputs.

    Parameters
    ----------
    addresses : sequence of str
        Paths, globs, or addresses that fsspec supports, such as `s3://bucket/folder`. Consecutive
        image files become one input.

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
    >>> [(one.count, one.carried and one.carried.names) for one in open_inputs(
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
        if path.lower().endswith(IMAGE_SUFFIXES):
            loose.append(path)
            continue
        gather()
        inputs.append(_open(path))
    gather()
    for one in inputs:
        if one.count == 0:
            raise GalaxiesError(f"{one.name}: contains no image")
    if not inputs:
        raise GalaxiesError("nothing to classify; give images, folders, archives or tables")
    carried = [one.carried for one in inputs if one.carried]
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
            found = [path]
        elif set("*?[") & set(path):
            found = sorted(fs.glob(path))
            if not found:
                raise GalaxiesError(f"{address}: no file matches")
        else:
            raise GalaxiesError(f"{address}: no such file or folder")
    return found if is_local(fs) else [fs.unstrip_protocol(path) for path in found]


def _open(path: str) -> Input:
    fs, inside = filesystem(path)
    lower = path.lower()
    with reaching(path):
        folder = fs.isdir(inside)
    if folder:
        return FilesInput(path, partial(images_below, path))
    if lower.endswith(".zip"):
        return ZipInput(path)
    if lower.endswith(TAR_SUFFIXES):
        return CompressedTarInput(path) if is_compressed(path) else TarInput(path)
    if lower.endswith(".csv"):
        return CsvCatalogue(path)
    if lower.endswith(".parquet"):
        with reading_table(path):
            schema = open_table(path).schema_arrow
        image = image_column(schema)
        return TableInput(path, image) if image else ParquetCatalogue(path)
    raise GalaxiesError(f"{path}: unknown suffix; readable are {', '.join(KNOWN_SUFFIXES)}")
