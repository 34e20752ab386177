"""HATS catalogues: folders of Parquet tables, one for each piece of the sky.

HATS is the format of the large surveys for LSDB (Caplar et al. 2025,
https://www.ivoa.net/documents/Notes/HATS/). Reading needs no further package; the package
hats-import divides the sky.
"""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from galaxies.errors import GalaxiesError, needs
from galaxies.tables.columns import DEC_NAMES, RA_NAMES, choose_column, words_of
from galaxies.tables.parquet import open_parquet, open_parquet_file, write_parquet
from galaxies.tables.pieces import Pieces
from galaxies.tables.rows import text_metadata
from galaxies.tables.sources import Source, filesystem, is_local, opened

HATS_SUFFIX: Final = ".hats"

_PROPERTIES: Final = ("hats.properties", "properties")
_LIST: Final = "partition_info.csv"
_COLLECTION: Final = "collection.properties"
_OURS: Final = "galaxies_"
"""Begins the names of properties that say what made the table."""
_OF_PARTITIONS: Final = ("_healpix_29", "Norder", "Dir", "Npix")
"""Columns that say where a row is stored."""
_PARTITION: Final = re.compile(r"Norder=(\d+)/Dir=\d+/Npix=(\d+)(?:/[^/]+)?\.parquet$")
_ESCAPED: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_PROPERTY: Final = re.compile(r"\s*((?:[^\s=:\\]|\\.)+)\s*[=:\s]\s*(.*)")
_LARGEST: Final = 1_000_000
"""Rows of a partition, above which it is divided."""
_COARSE: Final = 8
_FINE: Final = 10
"""Orders of the pixels in which rows are counted; to add up the fine ones takes seconds."""


def properties_file(path: str) -> str | None:
    """Find the file of properties in the folder of a HATS catalogue; `None` if it is none.

    Of a collection, that of the main catalogue is found.
    """
    fs, inside = filesystem(path)
    if not fs.isdir(inside):
        return None
    address = path.rstrip("/")
    if fs.exists(f"{inside}/{_COLLECTION}"):
        main = _read_properties(f"{address}/{_COLLECTION}").get("hats_primary_table_url", "")
        return properties_file(f"{address}/{main}") if main and "/" not in main else None
    return next(
        (f"{address}/{name}" for name in _PROPERTIES if fs.exists(f"{inside}/{name}")), None
    )


def open_hats(path: str, exact: Collection[str]) -> Source:
    """Open a HATS catalogue, partition by partition; see `galaxies.tables.text.open_csv`.

    Raises
    ------
    GalaxiesError
        If it has no partitions, if they have different columns, or if some are missing.
    """
    properties_path = properties_file(path)
    if properties_path is None:
        raise GalaxiesError(f"{path}: not a HATS catalogue: it has no {_PROPERTIES[0]}")
    properties = _read_properties(properties_path)
    partitions = partitions_of(properties_path)
    if not partitions:
        raise GalaxiesError(f"{path}: has no partitions (dataset/Norder=…/Dir=…/Npix=….parquet)")
    sources = [open_parquet(partition, exact) for partition in partitions]
    schema = pa.schema([field for field in sources[0].schema if field.name not in _OF_PARTITIONS])
    for partition, source in zip(partitions, sources, strict=True):
        other = pa.schema([field for field in source.schema if field.name not in _OF_PARTITIONS])
        if not other.equals(schema):
            raise GalaxiesError(f"{partition}: has other columns than {partitions[0]}")
    rows = sum(source.rows for source in sources)
    _require_whole(path, properties_path, properties, partitions, rows)
    metadata = {
        name.removeprefix(_OURS): value
        for name, value in properties.items()
        if name.startswith(_OURS)
    }

    def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
        for source in sources:
            yield from source.tables(columns)

    return Source(schema, rows, metadata, tables)


def _require_whole(
    path: str, properties_path: str, properties: dict[str, str], partitions: list[str], rows: int
) -> None:
    """Compare the partitions with the catalogue's list of them, and with its number of rows."""
    remedy = "copy the catalogue again"
    address = f"{properties_path.rpartition('/')[0]}/{_LIST}"
    fs, inside = filesystem(address)
    if fs.exists(inside):
        there = {match.groups() for name in partitions if (match := _PARTITION.search(name))}
        with opened(address) as file:
            listed = csv.DictReader(file.read().decode("utf-8", "replace").splitlines())
            for row in listed:
                order, pixel = row.get("Norder") or "", row.get("Npix") or ""
                if (order, pixel) not in there:
                    raise GalaxiesError(
                        f"{path}: the partition Norder={order}, Npix={pixel} of {_LIST} is "
                        f"missing; {remedy}"
                    )
    said = properties.get("hats_nrows", "")
    if said.isdecimal() and int(said) != rows:
        raise GalaxiesError(
            f"{path}: has {rows:,} rows, but its properties say {int(said):,}; {remedy}"
        )


def partitions_of(properties: str) -> list[str]:
    """List the partitions beside a file of properties, in the order of HEALPix."""
    fs, inside = filesystem(f"{properties.rpartition('/')[0]}/dataset")
    places = []
    for name in fs.find(inside):
        if match := _PARTITION.search(name):
            order, pixel = int(match[1]), int(match[2])
            address = name if is_local(fs) else fs.unstrip_protocol(name)
            places.append((pixel << (2 * (29 - order)), address))
    return [address for _, address in sorted(places)]


def _read_properties(path: str) -> dict[str, str]:
    """Read a file of Java properties."""

    def plain(text: str) -> str:
        return _ESCAPED.sub(
            lambda escape: chr(int(escape[1][1:], 16)) if len(escape[1]) > 1 else escape[1], text
        )

    with opened(path) as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    matches = (_PROPERTY.match(line) for line in lines if not line.lstrip().startswith(("#", "!")))
    return {plain(match[1]): plain(match[2].strip()) for match in matches if match}


def require_positions(path: Path, schema: pa.Schema) -> tuple[str, str]:
    """Find the columns with right ascension and declination, without which there is no HATS.

    Parameters
    ----------
    path : Path
        The catalogue to make, for errors.
    schema : Schema
        Columns of the table.

    Returns
    -------
    tuple of str
        Their names.

    Raises
    ------
    GalaxiesError
        If there are none, if they are not in degrees, or if the extra hats is missing.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> require_positions(
    ...     Path("a.hats"), pa.schema([("ra", pa.float64()), ("DEC", pa.float64())])
    ... )
    ('ra', 'DEC')
    """
    with needs("hats"):
        import hats_import  # noqa: F401
    names = []
    for usual in (RA_NAMES, DEC_NAMES):
        name = choose_column(path.name, schema.names, usual, "the input")
        if name is None:
            raise GalaxiesError(
                f"{path}: a HATS catalogue needs positions, and the input has no column "
                f"{usual[0]!r}; write .parquet"
            )
        field = schema.field(name)
        if not pa.types.is_floating(field.type) or words_of(field).unit not in ("", "deg"):
            raise GalaxiesError(
                f"{path}: column {name!r} must be a number of degrees for HATS; write .parquet"
            )
        names.append(name)
    return names[0], names[1]


def write_hats(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write a HATS catalogue; see `galaxies.tables.writing.write_table`.

    The rows go to a Parquet table first, which hats-import divides. Partitions of a million rows
    are in memory as a whole. The properties have the date, so two runs differ in it.
    """
    ra, dec = require_positions(path, schema)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", path.name[: -len(HATS_SUFFIX)]) or "catalogue"
    work = path.with_name(".work")
    work.mkdir()
    rows = work / "rows.parquet"
    write_parquet(rows, schema, lambda: _with_positions(pieces(), ra, dec))
    with open_parquet_file(str(rows)) as file:
        many = file.metadata.num_rows > _LARGEST
    with ExitStack() as stack:
        with needs("hats"):
            from distributed import Client, LocalCluster
            from hats_import import ImportArguments, pipeline_with_client
            from hats_import.catalog.file_readers.parquet import ParquetPyarrowReader
        arguments = ImportArguments(
            input_file_list=[rows],
            file_reader=ParquetPyarrowReader(),
            ra_column=ra,
            dec_column=dec,
            output_path=path.parent,
            output_artifact_name=name,
            addl_hats_properties={
                f"{_OURS}{name}": value for name, value in text_metadata(schema).items()
            },
            use_schema_file=rows,
            pixel_threshold=_LARGEST,
            # Fewer rows make partitions of order 0 however they are counted; the map of the sky
            # has pixels of 14 arcmin then.
            highest_healpix_order=_FINE if many else _COARSE,
            tmp_dir=work,
            resume=False,
            progress_bar=False,
        )
        # In this process: what others would compute takes seconds.
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=1,
                threads_per_worker=1,
                processes=False,
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                local_directory=str(work),
            )
        )
        client = stack.enter_context(Client(cluster))
        pipeline_with_client(arguments, client)
    path.with_name(name).rename(path)


def _with_positions(pieces: Iterator[pa.Table], ra: str, dec: str) -> Iterator[pa.Table]:
    """Make sure that each row has a position on the sky."""
    row = 0
    for piece in pieces:
        there = pc.and_(pc.is_finite(piece[ra]), pc.less_equal(pc.abs(piece[dec]), 90))
        there = pc.fill_null(there, False)
        if not pc.all(there).as_py() and len(piece):
            place = pc.index(there, False).as_py()
            raise GalaxiesError(
                f"row {row + place + 1}: {ra} {piece[ra][place]}, {dec} {piece[dec][place]} is no "
                "position, and HATS has a place only for rows with one; write .parquet"
            )
        row += len(piece)
        yield piece
