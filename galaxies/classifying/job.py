"""A long classification: shards that are written one by one, and the table they make together."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from tqdm import tqdm

from galaxies import __version__
from galaxies.classifying.classifier import PLACES, Familiarity, Verdict, table_schema
from galaxies.classifying.engines import BundleUse, Engine
from galaxies.classifying.inputs.chunks import Chunk, Input
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.shards import Shards
from galaxies.classifying.table_files import BUNDLE, TABLE_SUFFIXES, write_stream
from galaxies.errors import GalaxiesError
from galaxies.learning.bundle import read_description

SHARD: Final = 4096
"""Galaxies in a shard; a shard of another size would be another job."""

_FORMAT: Final = 3


class Classified(NamedTuple):
    """What a classification found."""

    decisions: Counter[str]
    """How many galaxies got each decision."""
    unreadable: int
    verdict: Verdict


def run_job(
    inputs: Sequence[str],
    output: Path,
    use: BundleUse,
    engine: Engine,
    *,
    shards: str | None = None,
    overwrite: bool = False,
) -> Classified:
    """Classify all images of some inputs into one table; continue where an earlier run stopped.

    Parameters
    ----------
    inputs : sequence of str
        Paths, globs and addresses, as in `galaxies.classifying.inputs.opening.open_inputs`.
    output : Path
        The table to make: .parquet, .csv or .fits.
    use : BundleUse
        The bundle.
    engine : callable
        `galaxies.classifying.engines.local_engine` or `galaxies.classifying.ray_engine.ray_engine`.
    shards : str, optional
        Folder for the pieces of the table, which all machines must see; beside the output unless
        given. It is removed when the table is whole.
    overwrite : bool
        Replace an output, and discard shards of another job.

    Returns
    -------
    Classified
        How many galaxies got each decision, and what else there is to say.

    Raises
    ------
    GalaxiesError
        If an input, the bundle or the output cannot be used, or the shards are of another job.

    Examples
    --------
    >>> from functools import partial
    >>> from galaxies.classifying.engines import local_engine
    >>> use = BundleUse(Path("models/cnn"))
    >>> engine = partial(local_engine, workers=2)
    >>> run_job(["survey.zip"], Path("classes.parquet"), use, engine).decisions  # doctest: +SKIP
    Counter({'elliptical': 31, 'spiral': 22, 'ask volunteers': 7})
    """
    if not output.name.lower().endswith(TABLE_SUFFIXES):
        raise GalaxiesError(f"{output}: unknown suffix; possible are {', '.join(TABLE_SUFFIXES)}")
    description = read_description(use.folder)
    if use.campaign is not None:
        description = description.by(use.campaign)
    answers = table_schema(description, use.folder, use.questions)
    made = Shards(shards or f"{output.absolute()}.shards")
    if not overwrite:
        _keep_existing(output, made)
    opened = open_inputs(inputs)
    job = _what_is_done(opened, output, use)
    schema = _schema(answers, opened).with_metadata({BUNDLE: job["bundle"]["sha256"]})
    made.begin(job, overwrite=overwrite)
    count = _make_missing(opened, use, engine, made)
    familiar = Familiarity(description, use.agreement, use.anyway)
    for number in range(count):
        familiar.add(made.read(number))
    verdict = familiar.verdict()
    finish = partial(familiar.finish, verdict=verdict)
    found = _write_table(output, schema, made, count, finish)
    made.remove()
    return Classified(found, found.pop("unreadable"), verdict)


def _keep_existing(output: Path, shards: Shards) -> None:
    # Killed after the table was whole, before the shards were gone, the same command succeeds.
    ours = shards.begun().get("output") == str(output.absolute())
    if output.exists() and not ours:
        raise GalaxiesError(f"{output}: exists; --overwrite replaces it")


def _schema(answers: pa.Schema, inputs: Sequence[Input]) -> pa.Schema:
    """Columns of the table: the answers, then what catalogues carry."""
    carried = next((one.carried for one in inputs if one.carried), pa.schema([]))
    taken = set(carried.names) & {*answers.names, PLACES}
    if taken:
        raise GalaxiesError(
            f"{inputs[0].name}: column {min(taken)!r} has the name of a result; rename it"
        )
    return pa.schema([*answers, *carried])


def _what_is_done(inputs: Sequence[Input], output: Path, use: BundleUse) -> dict[str, Any]:
    """Say what a run must have in common with an earlier one to continue it."""
    return {
        "format": _FORMAT,
        "version": __version__,
        "bundle": use.fingerprint(),
        "input": [one.fingerprint() for one in inputs],
        "shard": SHARD,
        "output": str(output.absolute()),
    }


def _make_missing(inputs: Sequence[Input], use: BundleUse, engine: Engine, shards: Shards) -> int:
    """Make the shards that are missing; returns how many there are."""
    done = shards.numbers()
    counts = [one.count for one in inputs]
    total = None if None in counts else sum(count or 0 for count in counts)
    chunks = 0

    def missing() -> Iterator[tuple[int, Chunk]]:
        nonlocal chunks
        for chunk in (chunk for one in inputs for chunk in one.chunks(SHARD)):
            number, chunks = chunks, chunks + 1
            if number not in done:
                yield number, chunk

    first = sum(map(shards.rows, done))
    with tqdm(
        total=total, initial=first, desc="classify", unit=" galaxies", unit_scale=True
    ) as bar:
        engine(use, missing(), shards, bar.update)
    return chunks


def _write_table(
    output: Path,
    schema: pa.Schema,
    shards: Shards,
    count: int,
    finish: Callable[[pa.Table], pa.Table],
) -> Counter[str]:
    """Put the table together from its shards; returns how often each decision stands in it."""
    found: Counter[str] = Counter()

    def tables() -> Iterator[pa.Table]:
        found.clear()  # FITS reads twice
        for number in range(count):
            table = finish(shards.read(number))
            found.update(table["decision"].drop_null().to_pylist())
            found["unreadable"] += len(table) - table["error"].null_count
            for field in schema:
                # Beside a catalogue, images that stand in none have no further columns.
                if field.name not in table.column_names:
                    table = table.append_column(field, pa.nulls(len(table), field.type))
            yield table.select(schema.names)

    write_stream(output, schema, tables)
    return found
