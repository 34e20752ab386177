"""Where the images to classify lie: files, folders, archives, tables; on disk or in a bucket.

Every input is a sequence of chunks, the same in every run, so that a job that was interrupted needs
to know only which chunks are done. A chunk says where its images lie and, as a rule, holds none of
them, so that it can be sent to another machine.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from fsspec.core import url_to_fs

from galaxies.classifying.inputs.archives import CompressedTarInput, TarInput, ZipInput
from galaxies.classifying.inputs.chunks import IMAGE_SUFFIXES, TAR_SUFFIXES, Input, is_local
from galaxies.classifying.inputs.files import FilesInput, images_below
from galaxies.classifying.inputs.tables import (
    CsvCatalogue,
    ParquetCatalogue,
    TableInput,
    image_column,
    open_table,
    reading_table,
)
from galaxies.errors import GalaxiesError

KNOWN_SUFFIXES: Final = (*IMAGE_SUFFIXES, ".zip", *TAR_SUFFIXES, ".parquet", ".csv")


def open_inputs(addresses: Sequence[str]) -> list[Input]:
    """Find out what lies at each address.

    Parameters
    ----------
    addresses : sequence of str
        Paths, globs or addresses that fsspec knows, such as `s3://bucket/folder`. Image files that
        follow each other become one input.

    Returns
    -------
    list of Input
        Each with one image or more; those that are catalogues carry the same columns.

    Raises
    ------
    GalaxiesError
        If one does not exist, has an unknown suffix or contains no image, or is damaged.

    Examples
    --------
    >>> [archive] = open_inputs(["survey.zip"])  # doctest: +SKIP
    >>> archive.count  # doctest: +SKIP
    61578
    """
    inputs: list[Input] = []
    loose: list[str] = []

    def gather() -> None:
        if loose:
            inputs.append(FilesInput(loose[0], partial(iter, tuple(loose))))
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


def _expanded(address: str) -> list[str]:
    """Paths that an address stands for; local ones absolute."""
    fs, path = url_to_fs(address)
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
    fs, inside = url_to_fs(path)
    lower = path.lower()
    if fs.isdir(inside):
        return FilesInput(path, partial(images_below, path))
    if lower.endswith(".zip"):
        return ZipInput(path)
    if lower.endswith(TAR_SUFFIXES):
        return TarInput(path) if lower.endswith(".tar") else CompressedTarInput(path)
    if lower.endswith(".csv"):
        return CsvCatalogue(path)
    if lower.endswith(".parquet"):
        with reading_table(path):
            schema = open_table(path).schema_arrow
        image = image_column(schema)
        return TableInput(path, image) if image else ParquetCatalogue(path)
    raise GalaxiesError(f"{path}: unknown suffix; readable are {', '.join(KNOWN_SUFFIXES)}")
