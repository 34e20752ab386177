"""Cut-outs as a zip archive with a table, and as an input of `classify`."""

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
from PIL import Image
from tqdm import tqdm

from galaxies.base.outputs import written_beside, zip_member
from galaxies.classifying.inputs.chunks import Item, content_state
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.sky.cutouts import Cutout, Source, cut_all
from galaxies.sky.looking import as_jpeg
from galaxies.sky.positions import Positions
from galaxies.tables.writing import write_table

PROVENANCE: Final = pa.schema(
    {
        "cutout_service": pa.string(),
        "cutout_release": pa.string(),
        "cutout_layer": pa.string(),
        "cutout_scale": pa.float64(),
        "cutout_radius": pa.float64(),
        "cutout_radius_from": pa.string(),
        "cutout_date": pa.string(),
    }
)
"""Columns that say how a cut-out was made: service, release, layer, arcsec per pixel, the Petrosian
90% radius in arcsec that the frame was made for, where that is from, and the day."""

_PIECE: Final = 4096


def write_cutouts(
    source: Source, positions: Positions, output: Path, *, workers: int, overwrite: bool = False
) -> Counter[str]:
    """Get all cut-outs, and write a zip archive of them and a table beside it.

    Parameters
    ----------
    source : Source
        Where the cut-outs come from.
    positions : Positions
        The galaxies.
    output : Path
        The archive, with a JPEG for each galaxy, named after its ID. The table has the same name
        with the suffix `.parquet`: `galaxy_id`, the input's other columns, `PROVENANCE`, and
        `error`, why there is no cut-out.
    workers : int
        Number of threads.
    overwrite : bool
        Whether to replace existing files.

    Returns
    -------
    Counter
        Number of galaxies for each reason; `""` for those with a cut-out.

    Raises
    ------
    GalaxiesError
        If an output exists, or a column has the name of a result.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.sky.mosaics import Mosaics
    >>> from galaxies.sky.positions import read_positions
    >>> mosaics, positions = Mosaics(Path("night1"), 6), read_positions(Path("positions.csv"))
    >>> reasons = write_cutouts(mosaics, positions, Path("night1.zip"), workers=1)
    >>> sorted(reasons.items())
    [('', 1), ('outside the footprint of night1', 1)]
    >>> Path("night1.parquet").is_file()
    True
    >>> mosaics.close()
    """
    refuse_existing(output, overwrite=overwrite)
    table_path = output.with_suffix(".parquet")
    reasons: Counter[str] = Counter()
    schema = pa.schema(
        [("galaxy_id", pa.string()), *carried_schema(positions, ["galaxy_id", "error"]),
         ("error", pa.string())]
    )  # fmt: skip
    source.fetch(positions)
    pieces: list[pa.Table] = []
    with written_beside(output) as beside:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as archive:
            rows: list[Cutout] = []
            cutouts = cut_all(source, positions, workers)
            for place, cutout in enumerate(tqdm(cutouts, desc="zip", total=len(positions))):
                if cutout.image is not None:
                    image = cutout.image
                    data = as_jpeg(image) if isinstance(image, Image.Image) else image
                    archive.writestr(zip_member(member_name(positions.ids[place])), data)
                reasons[cutout.reason or ""] += 1
                rows.append(cutout._replace(image=None))
                if len(rows) == _PIECE or place + 1 == len(positions):
                    start = place + 1 - len(rows)
                    pieces.append(_piece(schema, source, positions, start, rows))
                    rows = []
        write_table(table_path, schema, lambda: iter(pieces))
    return reasons


def refuse_existing(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that is no zip archive, or that would be replaced."""
    if output.suffix.lower() != ".zip":
        raise GalaxiesError(f"{output}: must end in .zip")
    for path in (output, output.with_suffix(".parquet")):
        if path.exists() and not overwrite:
            raise GalaxiesError(f"{path}: exists; --overwrite replaces it")


def member_name(galaxy_id: str) -> str:
    """Return a galaxy's file name in the archive; a slash in an ID is no folder.

    Examples
    --------
    >>> member_name("NGC 4038/39")
    'NGC 4038%2F39.jpg'
    """
    return quote(galaxy_id, safe=" !#$&'()+,;=@[]^`{}~.:*") + ".jpg"


def carried_schema(positions: Positions, taken: list[str]) -> pa.Schema:
    """List the input's other columns, and `PROVENANCE`."""
    names = positions.carried.column_names
    clash = set(names) & {*taken, *PROVENANCE.names}
    if clash:
        raise GalaxiesError(
            f"{positions.name}: column {min(clash)!r} has the name of a result; rename it"
        )
    return pa.schema([*positions.carried.schema, *PROVENANCE])


def _piece(
    schema: pa.Schema, source: Source, positions: Positions, start: int, rows: list[Cutout]
) -> pa.Table:
    carried = _carried(source, positions, start, rows)
    ids = pa.array(positions.ids[start : start + len(rows)], pa.string())
    reasons = pa.array([row.reason for row in rows], pa.string())
    table = carried.add_column(0, "galaxy_id", ids).append_column("error", reasons)
    return table.cast(schema)


def _carried(
    source: Source, positions: Positions, start: int, rows: list[Cutout | None] | list[Cutout]
) -> pa.Table:
    """Join the input's columns with where each cut-out is from."""
    made = [row is not None and row.scale is not None for row in rows]

    def named(text: str) -> pa.Array:
        return pa.array([text or None if is_made else None for is_made in made], pa.string())

    table = positions.carried.slice(start, len(rows))
    columns = {
        "cutout_service": named(source.name),
        "cutout_release": named(source.release),
        "cutout_layer": named(source.layer),
        "cutout_scale": pa.array([row and row.scale for row in rows], pa.float64()),
        "cutout_radius": pa.array([row and row.radius for row in rows], pa.float64()),
        "cutout_radius_from": pa.array([row and row.radius_from for row in rows], pa.string()),
        "cutout_date": pa.array([row and row.date for row in rows], pa.string()),
    }
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


_WHOLE: Final = re.compile("0|-?[1-9][0-9]{0,17}|[1-8][0-9]{18}")
"""IDs that are the same as int64."""


class SkyInput:
    """Positions as an input of `classify`, which cuts each galaxy out when its turn comes.

    Parameters
    ----------
    source : Source
        Where the cut-outs come from.
    positions : Positions
        The galaxies.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.sky.mosaics import Mosaics
    >>> from galaxies.sky.positions import read_positions
    >>> mosaics, positions = Mosaics(Path("night1"), 6), read_positions(Path("positions.csv"))
    >>> given = SkyInput(mosaics, positions)
    >>> given.count, given.carried.names[:3], [len(chunk) for chunk in given.chunks(1000)]
    (2, ['ra', 'dec', 'cutout_service'], [2])
    >>> mosaics.close()
    """

    def __init__(self, source: Source, positions: Positions) -> None:
        self.name = positions.name
        self.count: int | None = len(positions)
        self.carried: pa.Schema | None = carried_schema(positions, [])
        whole = all(_WHOLE.fullmatch(galaxy_id) for galaxy_id in positions.ids)
        self.id_type: pa.DataType = pa.int64() if whole else pa.string()
        self.skipped: Counter[str] = Counter()
        self.remarks: list[str] = [positions.remark] if positions.remark else []
        self._source = source
        self._positions = positions

    def chunks(self, size: int) -> Iterator["SkyChunk"]:
        """Get all cut-outs, and iterate over chunks of `size`; the last may be smaller."""
        self._source.fetch(self._positions)
        for start in range(0, len(self._positions), size):
            stop = min(start + size, len(self._positions))
            yield SkyChunk(self._source, self._positions, start, [None] * (stop - start))

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        source = self._source
        named = {"images": source.name, "release": source.release, "layer": source.layer}
        return {**content_state(str(Path(self.name).absolute())), **named}


@dataclass(frozen=True)
class SkyChunk:
    """A few thousand positions; `carried` is complete when all images were loaded."""

    source: Source
    positions: Positions
    start: int
    cutouts: list[Cutout | None]

    def __len__(self) -> int:
        return len(self.cutouts)

    @property
    def carried(self) -> pa.Table | None:
        """The input's other columns, and `PROVENANCE`."""
        return _carried(self.source, self.positions, self.start, self.cutouts)

    def items(self) -> Iterator[Item]:
        """Iterate over the galaxies in order."""
        for place in range(len(self)):
            yield Item(self.positions.ids[self.start + place], partial(self._load, place))

    def _load(self, place: int) -> bytes | Image.Image:
        cutout = self.source.cut(self.positions, self.start + place)
        self.cutouts[place] = cutout._replace(image=None)
        if cutout.image is None:
            raise UnreadableImageError(cutout.reason or "has no cut-out")
        return cutout.image
