"""Classify many images: write shards one by one, and combine them into a table."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from tqdm import tqdm

from galaxies import __version__
from galaxies.base.outputs import sole_writer
from galaxies.bundle.description import read_description
from galaxies.bundle.known_galaxies import read_known
from galaxies.classifying.classifier import DEFAULTS, table_schema
from galaxies.classifying.engines import Engine
from galaxies.classifying.inputs.chunks import UNREADABLE_FOLDERS, Chunk, Input
from galaxies.classifying.inputs.files import images_state
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.options import Options
from galaxies.classifying.provenance import BUNDLE, SHORT, provenance
from galaxies.classifying.result import result_schema
from galaxies.classifying.shards import Shards
from galaxies.classifying.verdict import Familiarity, Verdict
from galaxies.errors import GalaxiesError
from galaxies.judgement.promises import choose_promise
from galaxies.tables.columns import ColumnNames
from galaxies.tables.sources import filesystem, is_local
from galaxies.tables.writing import require_columns, require_table, write_table

ENOUGH: Final = 80
"""Number of images of another survey that can show that they are familiar."""

SHARD: Final = 4096
"""Galaxies per shard; a job with another size would be a different job."""

_FORMAT: Final = 5


class Classified(NamedTuple):
    """Result of `run_job`."""

    decisions: Counter[str]
    """Number of galaxies with each decision."""
    unreadable: int
    verdict: Verdict
    skipped: Counter[str]
    """What was in the inputs and was not classified, and how often."""
    remarks: list[str]
    """What else the user should know about the inputs."""

    @property
    def complete(self) -> bool:
        """Whether every image could be read."""
        return not self.unreadable and not self.skipped[UNREADABLE_FOLDERS]

    def notes(self) -> list[str]:
        """Say what was not classified, and the remarks."""
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(self.skipped.items()))
        return ([f"Not classified: {counts}"] if counts else []) + self.remarks


def run_job(
    inputs: Sequence[str] | Sequence[Input],
    output: Path,
    bundle: Path,
    engine: Engine,
    options: Options = DEFAULTS,
    *,
    names: ColumnNames = ColumnNames(),  # noqa: B008 - it is a constant
    shards: str | None = None,
    overwrite: bool = False,
    another_survey: bool = False,
) -> Classified:
    """Classify all images of the inputs into one table; continue where an earlier run stopped.

    Parameters
    ----------
    inputs : sequence of str or Input
        Paths, globs and addresses, as in `galaxies.classifying.inputs.opening.open_inputs`; or
        inputs that are open.
    output : Path
        The table to make, with one of `galaxies.tables.writing.TABLE_SUFFIXES`.
    bundle : Path
        Its folder.
    engine : callable
        `galaxies.classifying.engines.local_engine` or `galaxies.classifying.ray_engine.ray_engine`.
    options : Options
        How to classify.
    names : ColumnNames
        Columns of catalogues, where they have unusual names.
    shards : str, optional
        Folder for the shards, which all machines must see; by default beside the output. It is
        removed when the table is complete.
    overwrite : bool
        Whether to replace an existing table, and discard shards of another job.
    another_survey : bool
        Whether the images are known to be from another survey than the bundle's. They count as
        unfamiliar if there are too few to tell.

    Returns
    -------
    Classified

    Raises
    ------
    GalaxiesError
        If an input, the bundle or the output cannot be used, if another process is writing the
        output, or if the shards belong to another job.

    Examples
    --------
    >>> from functools import partial
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from galaxies.classifying.engines import local_engine
    >>> from galaxies.classifying.options import Options
    >>> engine, options = partial(local_engine, workers=2), Options(agreement=0.9)
    >>> done = run_job(["survey.zip"], Path("night.csv"), Path("models/cnn"), engine, options)
    >>> done.decisions.total(), done.unreadable, len(pd.read_csv("night.csv"))
    (40, 0, 40)
    """
    require_table(output)
    description = read_description(bundle)
    if options.campaign is not None:
        description = description.by(options.campaign)
    choose_promise(description.triage, options.agreement)  # before anything is made
    answers = table_schema(description, bundle, options.questions)
    made = Shards(shards or f"{output.absolute()}.shards")
    writing = ExitStack()
    writing.enter_context(sole_writer(output))
    if shards is not None and is_local(filesystem(shards)[0]):
        writing.enter_context(sole_writer(Path(filesystem(shards)[1])))
    with writing:
        if not overwrite:
            _keep_existing(output, made)
        addresses = [address for address in inputs if isinstance(address, str)]
        opened = (
            open_inputs(addresses, names)
            if addresses
            else [source for source in inputs if not isinstance(source, str)]
        )
        job = _what_is_done(opened, output, options.fingerprint(bundle))
        schema = result_schema(answers, opened)
        require_columns(output, schema)
        made.begin(job, overwrite=overwrite)
        count = _make_missing(opened, partial(engine, bundle, options), made)
        familiar = Familiarity(description, read_known(bundle), options)
        for number in range(count):
            familiar.add(made.read(number))
        verdict = familiar.verdict()
        if another_survey and verdict.familiar is not False and verdict.galaxies < ENOUGH:
            # Other filters and another depth: not familiar until enough galaxies show it.
            verdict = verdict._replace(familiar=False, too_few=True)
        finish = partial(familiar.finish, verdict=verdict)
        metadata = provenance(description, job["bundle"], options, verdict)
        decisions = _write_table(output, schema.with_metadata(metadata), made, count, finish)
        made.remove()
        skipped = sum((+source.skipped for source in opened), Counter())
        remarks = [remark for source in opened for remark in source.remarks]
        return Classified(decisions, decisions.pop("unreadable"), verdict, skipped, remarks)


def _keep_existing(output: Path, shards: Shards) -> None:
    # If it was killed between writing the table and removing the shards, the command can continue.
    ours = shards.begun().get("output") == str(output.absolute())
    if output.exists() and not ours:
        raise GalaxiesError(f"{output}: exists; --overwrite replaces it")


def _what_is_done(inputs: Sequence[Input], output: Path, maker: dict[str, Any]) -> dict[str, Any]:
    """Describe what must be the same to continue an earlier run."""
    return {
        "format": _FORMAT,
        "version": __version__,
        **maker,
        "input": [source.fingerprint() for source in inputs],
        "shard": SHARD,
        "output": str(output.absolute()),
    }


def _make_missing(inputs: Sequence[Input], classify: Callable[..., None], shards: Shards) -> int:
    """Make the missing shards; returns the number of all shards."""
    done = shards.numbers()
    counts = [source.count for source in inputs]
    total = None if None in counts else sum(count or 0 for count in counts)
    chunks = 0

    def missing() -> Iterator[tuple[int, Chunk]]:
        nonlocal chunks
        for chunk in (chunk for source in inputs for chunk in source.chunks(SHARD)):
            number, chunks = chunks, chunks + 1
            if number not in done:
                yield number, chunk
            elif shards.rows(number) != len(chunk) or shards.state(number) != images_state(chunk):
                # The shard is damaged, or the images of a catalogue were replaced since.
                bar.update(-shards.rows(number))
                yield number, chunk

    first = sum(map(shards.rows, done))
    with tqdm(
        total=total, initial=first, desc="classify", unit=" galaxies", unit_scale=True
    ) as bar:
        classify(missing(), shards, bar.update)
    return chunks


def _write_table(
    output: Path,
    schema: pa.Schema,
    shards: Shards,
    count: int,
    finish: Callable[[pa.Table], pa.Table],
) -> Counter[str]:
    """Combine the shards into the table; returns the number of galaxies with each decision."""
    decisions: Counter[str] = Counter()
    made_by = schema.metadata[BUNDLE.encode()].decode()[:SHORT]

    def tables() -> Iterator[pa.Table]:
        decisions.clear()  # some formats read twice
        for number in range(count):
            table = finish(shards.read(number))
            decisions.update(table["decision"].drop_null().to_pylist())
            decisions["unreadable"] += len(table) - table["error"].null_count
            table = table.append_column(BUNDLE, pa.array([made_by] * len(table), pa.string()))
            for field in schema:
                # Images that are not from a catalogue do not have its columns.
                if field.name not in table.column_names:
                    table = table.append_column(field, pa.nulls(len(table), field.type))
            yield table.select(schema.names).cast(schema)

    try:
        write_table(output, schema, tables)
    except GalaxiesError as error:
        raise GalaxiesError(
            f"{error}; finished work is kept, and another -o with --shards {shards.folder} uses it"
        ) from error
    return decisions
