"""The columns of the table that `galaxies classify` makes."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from galaxies.classifying.inputs.chunks import Input
from galaxies.classifying.provenance import BUNDLE, SHORT
from galaxies.errors import GalaxiesError
from galaxies.tables.columns import MAIN_ID

_BEFORE: Final = "input_"
"""Before the name of a column of a catalogue that has the name of a result."""

_MEANINGS: Final = {
    "galaxy_id": ("name of the file, or ID in the catalogue", MAIN_ID),
    "p_spiral": ("calibrated probability that most volunteers see features or a disk",
                 "stat.probability;src.morph.type"),
    "spread": ("standard deviation of the fraction of volunteers who see a spiral", "stat.stdev"),
    "label": ("the more probable class: elliptical or spiral", "src.morph.type"),
    "decision": ("elliptical or spiral if certain enough, else ask volunteers", "meta.code"),
    "familiar": ("whether it looks like the galaxies that the bundle was calibrated on",
                 "meta.code.qual"),
    "error": ("why the image could not be read", "meta.note"),
    BUNDLE: (f"first {SHORT} letters of the SHA-256 of the bundle that made the row", "meta.id"),
}  # fmt: skip
"""Description and UCD of the columns of every table."""

_FRACTION: Final = "stat.probability"
"""UCD of the answers of volunteers."""


def renamed(carried: Sequence[str], results: Sequence[str]) -> dict[str, str]:
    """Name the columns of a catalogue in the table: one named as a result gets `input_` before it.

    Parameters
    ----------
    carried : sequence of str
        Columns of the catalogue.
    results : sequence of str
        Columns of the results.

    Returns
    -------
    dict
        The new name of each column.

    Raises
    ------
    GalaxiesError
        If that name is taken too.

    Examples
    --------
    >>> renamed(["label", "ra"], ["galaxy_id", "label"])
    {'label': 'input_label', 'ra': 'ra'}
    """
    taken = {*results, BUNDLE}
    names = {name: f"{_BEFORE}{name}" if name in taken else name for name in carried}
    twice = sorted(name for name in names.values() if list(names.values()).count(name) > 1)
    if twice:
        raise GalaxiesError(f"the catalogue has a column {twice[0]!r}; rename it")
    return names


def result_schema(answers: pa.Schema, inputs: Sequence[Input]) -> pa.Schema:
    """List the columns of the table: the answers, the bundle, then those of catalogues.

    Parameters
    ----------
    answers : Schema
        Output of `galaxies.classifying.classifier.table_schema`.
    inputs : sequence of Input
        What is classified. If all their IDs are integers, so is `galaxy_id`.

    Returns
    -------
    Schema
        Every result has a description and a UCD.

    Raises
    ------
    GalaxiesError
        If a column of a catalogue cannot get a name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.bundle.description import read_description
    >>> from galaxies.classifying.classifier import table_schema
    >>> from galaxies.classifying.inputs.opening import open_inputs
    >>> folder = Path("models/cnn")
    >>> answers = table_schema(read_description(folder), folder, "first")
    >>> schema = result_schema(answers, open_inputs(["catalogue.csv"]))
    >>> schema.names[0], str(schema.field("galaxy_id").type), schema.names[-2:]
    ('galaxy_id', 'int64', ['bundle', 'redshift'])
    """
    types = {source.id_type for source in inputs}
    id_type = types.pop() if len(types) == 1 else pa.string()
    carried = next((source.carried for source in inputs if source.carried), pa.schema([]))
    names = renamed(carried.names, answers.names)
    fields = [*answers, pa.field(BUNDLE, pa.string())]
    fields[answers.get_field_index("galaxy_id")] = pa.field("galaxy_id", id_type)
    return pa.schema(
        [*map(_with_words, fields), *(column.with_name(names[column.name]) for column in carried)]
    )


def _with_words(field: pa.Field) -> pa.Field:
    description, ucd = _MEANINGS.get(field.name, ("", _FRACTION))
    own = {"description": description, "ucd": ucd}
    return field.with_metadata({k.encode(): v.encode() for k, v in own.items() if v}
                               | (field.metadata or {}))  # fmt: skip
