"""Subject sets for Zooniverse: a folder with a JPEG for each subject, and a manifest."""

import contextlib
import csv
import io
import os
import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd
from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.base.pool import in_order
from galaxies.bundle.description import read_description
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.inputs.chunks import Input, Item
from galaxies.classifying.inputs.files import FileChunk
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.job import SHARD
from galaxies.classifying.options import bundle_digest
from galaxies.classifying.provenance import AGREEMENT, CAMPAIGN, made_by, recorded, same_bundle
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.images.pixels import AnyImage, read_frame
from galaxies.judgement.promises import UNDECIDED
from galaxies.tables.columns import ColumnNames
from galaxies.volunteers.choosing import AUDIT, Choice, choose_galaxies
from galaxies.volunteers.classes import fingerprint, read_classes, refuse_twice
from galaxies.volunteers.manifest import GALAXY, MANIFEST, MANIFEST_COLUMNS, UNKNOWN, read_manifest
from galaxies.volunteers.same_pictures import refuse_another_picture, same_classifier

LARGEST_JPEG: Final = 1024 * 1024
"""Bytes; Zooniverse's program rejects larger files."""

_JPEG: Final = b"\xff\xd8\xff"
_QUALITIES: Final = (92, 85, 75)
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9+_.-]")
_LONGEST_NAME: Final = 100


class Asked(NamedTuple):
    """Result of `ask`."""

    batch: int
    chosen: int
    """Number of subjects that the machine leaves to people."""
    audited: int
    """Number of subjects that the machine decided."""
    checked: bool = False
    """Whether they were classified again, to see that they are the pictures of the table."""


def ask(
    classes: Path,
    inputs: Sequence[str],
    output: Path,
    *,
    number: int,
    choose: Choice,
    audit_share: float,
    seed: int,
    earlier: Sequence[Path] = (),
    bundle: Path | None = None,
    names: ColumnNames = ColumnNames(),  # noqa: B008 - it is a constant
    workers: int = 1,
) -> Asked:
    """Make a subject set of galaxies that people should look at.

    Parameters
    ----------
    classes : Path
        A table from `galaxies classify`.
    inputs : sequence of str
        The inputs of the table, as in `galaxies.classifying.inputs.opening.open_inputs`.
    output : Path
        The folder to make.
    number : int
        Number of galaxies.
    choose : {"uncertain", "diverse", "random"}
        How they are chosen, as in `galaxies.volunteers.choosing.choose_galaxies`.
    audit_share : float
        Share of `number` that is drawn from the machine's decisions.
    seed : int
        Seed of the random numbers.
    earlier : sequence of Path
        Folders of earlier batches; their galaxies are not asked about again.
    bundle : Path, optional
        The bundle that must have made the table.
    names : ColumnNames
        Columns of catalogues, where they have unusual names.
    workers : int
        Number of threads that decode and encode.

    Returns
    -------
    Asked

    Raises
    ------
    GalaxiesError
        If there is no galaxy to ask about, if the table, the inputs, the bundle or an earlier
        folder cannot be used, if a picture is not the one that was classified, or if the output is
        not empty.

    Examples
    --------
    >>> from pathlib import Path
    >>> ask(
    ...     Path("classes.parquet"), ["survey.zip"], Path("more_subjects"),
    ...     number=2, choose="uncertain", audit_share=0.5, seed=0, earlier=[Path("subjects")],
    ...     bundle=Path("models/cnn"),
    ... )
    Asked(batch=2, chosen=1, audited=1, checked=True)
    """
    _refuse_full(output)
    maker = _bundle(classes, bundle)
    before = [subject for folder in earlier for subject in read_manifest(folder)]
    asked = {subject.galaxy_id for subject in before}
    opened = open_inputs(inputs, names)
    counted = _Counted(read_classes(classes))
    chosen = choose_galaxies(
        counted,
        number,
        choose=choose,
        audit_share=audit_share,
        seed=seed,
        asked=asked,
    )
    if chosen.empty:
        rest = f" but the {len(asked):,} of earlier batches" if asked else ""
        raise GalaxiesError(
            f"{classes}: no galaxy to ask about{rest}: the machine decides all others; "
            "classify with a higher --agreement, or raise --audit-share"
        )
    refuse_twice(classes, chosen["galaxy_id"].tolist())
    _refuse_forgotten(output, earlier, chosen["galaxy_id"])
    batch = 1 + max((subject.batch for subject in before), default=0)
    with written_beside(output) as beside:
        beside.mkdir()
        told = (maker, fingerprint(classes), str(counted.decided), *_made_for(classes))
        again = same_classifier(classes, bundle)
        _write(beside, chosen, opened, batch, told, workers, again)
    audited = int((chosen["chosen"] == AUDIT).sum())
    return Asked(batch, len(chosen) - audited, audited, again is not None)


class _Counted:
    """Count the galaxies that the machine decided while their table is read."""

    def __init__(self, pieces: Iterator[pd.DataFrame]) -> None:
        self._pieces = pieces
        self.decided = 0

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for piece in self._pieces:
            decided = piece["p_spiral"].notna() & (piece["decision"] != UNDECIDED)
            self.decided += int(decided.sum())
            yield piece


def _made_for(classes: Path) -> tuple[str, str]:
    """Return the target agreement and the campaign of a table."""
    return recorded(classes, AGREEMENT) or UNKNOWN, recorded(classes, CAMPAIGN) or UNKNOWN


def _refuse_full(output: Path) -> None:
    if output.is_dir() and not any(output.iterdir()):
        return
    if output.exists():
        raise GalaxiesError(
            f"{output}: is not empty; batches are never changed, so give a new folder"
            + (f", and --earlier {output}" if (output / MANIFEST).is_file() else "")
        )


def _bundle(classes: Path, folder: Path | None) -> str:
    """Name the bundle that made a table, and refuse another one."""
    maker = made_by(classes) if classes.is_file() else None
    if folder is None:
        return maker or UNKNOWN
    read_description(folder)
    wanted = bundle_digest(folder)
    if maker and not same_bundle(maker, wanted):
        raise GalaxiesError(
            f"{classes}: made by another bundle ({maker[:12]}…) than {folder} ({wanted[:12]}…); "
            "classify again with that bundle, or give the one that made the table"
        )
    return wanted


def _refuse_forgotten(output: Path, earlier: Sequence[Path], ids: Collection[str]) -> None:
    """Refuse galaxies that a batch beside the output, which is not named, has asked about."""
    named = {folder.resolve() for folder in earlier}
    wanted = set(ids)
    for path in sorted(output.parent.glob(f"[!.]*/{MANIFEST}")):
        folder = path.parent
        if folder.resolve() in named:
            continue
        again = []
        # Another program's manifest may be no table at all.
        with (
            contextlib.suppress(csv.Error),
            path.open(encoding="utf-8-sig", errors="replace", newline="") as file,
        ):
            again = [row[GALAXY] for row in csv.DictReader(file) if row.get(GALAXY) in wanted]
        if again:
            raise GalaxiesError(
                f"{folder}: already asks about galaxy {again[0]!r} and {len(again) - 1} more of "
                f"these; add --earlier {folder}, or write the new folder elsewhere"
            )


def _write(
    folder: Path,
    chosen: pd.DataFrame,
    inputs: Sequence[Input],
    batch: int,
    told: tuple[str, ...],
    workers: int,
    again: Classifier | None,
) -> None:
    """Write the images, and the manifest in the order of the table.

    What is `told` about all galaxies are the bundle, and the columns after `#chosen`. A classifier
    sees `again` whether the images are those of the table.
    """
    names = _file_names(chosen["galaxy_id"])
    p_spiral = dict(zip(chosen["galaxy_id"], chosen["p_spiral"], strict=True))
    written: set[str] = set()

    def jpeg(item: Item) -> tuple[str, bytes]:
        try:
            image = item.load()
            if again is not None:
                refuse_another_picture(again, item.galaxy_id, image, p_spiral[item.galaxy_id])
            return item.galaxy_id, as_jpeg(image)
        except UnreadableImageError as error:
            raise GalaxiesError(
                f"the image of galaxy {item.galaxy_id!r} {error}; put it back, or classify again "
                "without it"
            ) from error

    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(chosen), desc="write subjects", unit=" images") as bar,
    ):
        for galaxy_id, data in in_order(pool, jpeg, items_of(inputs, names), 2 * workers):
            if galaxy_id in written:
                raise GalaxiesError(
                    f"galaxy_id {galaxy_id!r} names two images; leave one of them out"
                )
            written.add(galaxy_id)
            (folder / names[galaxy_id]).write_bytes(data)
            bar.update()
    gone = [galaxy_id for galaxy_id in names if galaxy_id not in written]
    if gone:
        raise GalaxiesError(
            f"no image of {len(gone):,} of the {len(names):,} galaxies, such as {gone[0]!r}, in "
            f"{', '.join(source.name for source in inputs)}; give all images that were classified"
        )
    with (folder / MANIFEST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MANIFEST_COLUMNS)
        for row in chosen.itertuples():
            cells = (
                row.galaxy_id,
                f"{row.p_spiral:.6f}",
                str(batch),
                told[0],
                row.chosen,
                *told[1:],
            )
            _refuse_file_names(folder, cells)
            writer.writerow((names[str(row.galaxy_id)], *cells))


def _file_names(ids: Collection[str]) -> dict[str, str]:
    """Name the image of each galaxy, with characters that every system supports."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for galaxy_id in ids:
        stem = _NOT_IN_NAMES.sub("_", galaxy_id).strip(".-")[:_LONGEST_NAME] or "galaxy"
        # Some file systems are not case-sensitive.
        while f"{stem}.jpg".lower() in taken:
            stem += "_"
        taken.add(f"{stem}.jpg".lower())
        names[galaxy_id] = f"{stem}.jpg"
    return names


def _refuse_file_names(folder: Path, cells: Sequence[object]) -> None:
    """Raise an error for a cell that Zooniverse's program would take for a file to upload."""
    for cell in map(str, cells):
        if not cell.strip() or os.path.exists(os.path.join(folder, cell)):  # noqa: PTH110, PTH118
            raise GalaxiesError(
                f"galaxy_id {cell!r} is empty or the name of a file, which would be uploaded; "
                "give the galaxy another one, with a catalogue of id and path"
            )


def items_of(inputs: Sequence[Input], ids: Collection[str]) -> Iterator[Item]:
    """Iterate over the images of some galaxies.

    Parameters
    ----------
    inputs : sequence of Input
        Inputs of `galaxies classify`.
    ids : collection of str
        IDs of the galaxies; missing ones are skipped.

    Yields
    ------
    Item

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.classifying.inputs.opening import open_inputs
    >>> from galaxies.volunteers.manifest import read_manifest
    >>> [first] = read_manifest(Path("subjects"))[:1]
    >>> [item] = items_of(open_inputs(["survey.zip"]), [first.galaxy_id])
    >>> item.galaxy_id == first.galaxy_id
    True
    """
    for source in inputs:
        for chunk in source.chunks(SHARD):
            if isinstance(chunk, FileChunk):  # it would fetch all its files from a bucket
                rows = zip(chunk.paths, chunk.ids, strict=True)
                kept = [(path, galaxy_id) for path, galaxy_id in rows if galaxy_id in ids]
                chunk = FileChunk(tuple(row[0] for row in kept), tuple(row[1] for row in kept))
            yield from (item for item in chunk.items() if item.galaxy_id in ids)


def as_jpeg(image: AnyImage) -> bytes:
    """Make a JPEG that Zooniverse accepts.

    Parameters
    ----------
    image : bytes, Image or ndarray
        A JPEG, PNG or FITS file, or a frame of any mode.

    Returns
    -------
    bytes
        At most `LARGEST_JPEG`. A JPEG that is small enough is not changed; otherwise the quality,
        and then the size, is reduced until it fits.

    Raises
    ------
    UnreadableImageError
        If the file is damaged, or of another kind.

    Examples
    --------
    >>> from PIL import Image
    >>> from galaxies.volunteers.subjects import LARGEST_JPEG
    >>> len(as_jpeg(Image.new("RGB", (424, 424), "navy"))) < LARGEST_JPEG
    True
    """
    frame = read_frame(image)
    if isinstance(image, bytes) and image.startswith(_JPEG) and len(image) <= LARGEST_JPEG:
        return image
    while True:
        for quality in _QUALITIES:
            file = io.BytesIO()
            frame.save(file, "JPEG", quality=quality)
            if file.tell() <= LARGEST_JPEG:
                return file.getvalue()
        frame = frame.reduce(2)
