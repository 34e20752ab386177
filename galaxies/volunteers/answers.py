"""Map the answers of a Zooniverse workflow to Kaggle's columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from galaxies.base.yaml_files import reading_yaml, refuse_second
from galaxies.errors import GalaxiesError
from galaxies.questions.registry import ASKED

EXAMPLE: Final = """\
# The answers that volunteers see, and the column of Kaggle's Galaxy Zoo challenge for each.
# Tasks have the names in the export; answers are written as volunteers see them, without
# pictures. `null` leaves an answer out; tasks that are not listed here are left out.
workflow: 6122                 # needed if an export contains several workflows
versions: ["28", "29.3"]       # all of 28, and 29.3; without this line all versions count
T0:
  Smooth: Class1.1
  Features or disk: Class1.2
  Features or Disk: Class1.2   # the wording in version 28
  Star or artifact: Class1.3
T1:
  Completely round: Class7.1
  In between: Class7.2
  Cigar-shaped: Class7.3
  I cannot tell: null
# If a task asks something else in another version, add a second map after a line ---
"""

_TASK: Final = re.compile("[A-Za-z]+[0-9]+|init")
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_PICTURE: Final = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LEFT_OUT: Final = ("", "null", "~")


@dataclass(frozen=True)
class AnswerMap:
    """The columns of the answers in one workflow and some of its versions.

    Parameters
    ----------
    tasks : dict
        For each task, the column of each answer; `None` for an answer that is left out.
    workflow : str, optional
        Number of the workflow; by default any.
    versions : tuple of str
        Versions such as `28` or `28.30`; all if empty.
    """

    tasks: dict[str, dict[str, str | None]]
    workflow: str | None = None
    versions: tuple[str, ...] = ()

    def takes(self, version: str) -> bool:
        """Whether the map applies to a version of the workflow.

        Examples
        --------
        >>> AnswerMap({}, versions=("28",)).takes("28.30")
        True
        """
        major = version.partition(".")[0]
        return not self.versions or version in self.versions or major in self.versions


def plain_words(label: str) -> str:
    """Remove pictures and extra spaces from an answer.

    Examples
    --------
    >>> plain_words("![smooth.png](https://example.org/smooth.png)  Smooth ")
    'Smooth'
    """
    return " ".join(_PICTURE.sub(" ", label).split()) or " ".join(label.split())


def asked_questions(maps: Sequence[AnswerMap]) -> tuple[int, ...]:
    """List the numbers of the questions that have a column in the maps, in order."""
    columns = {
        column
        for answer_map in maps
        for task in answer_map.tasks.values()
        for column in task.values()
        if column
    }
    return tuple(
        question.number for question in ASKED.questions if columns.intersection(question.columns)
    )


class _Texts(yaml.BaseLoader):
    """YAML with text only: `Yes` is not a boolean and 28.30 not a number. No key occurs twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        refuse_second([key.value for key, _ in node.value], node)
        return super().construct_mapping(node, deep)


def read_answer_maps(path: Path) -> list[AnswerMap]:
    """Read the answer maps of one or more workflows.

    Parameters
    ----------
    path : Path
        A YAML file such as `EXAMPLE`; several maps are separated by lines `---`.

    Returns
    -------
    list of AnswerMap
        In order; a classification belongs to the first map that applies to it.

    Raises
    ------
    GalaxiesError
        If the file is not such a map, if it names an unknown column, or if it maps a question
        without the one that leads to it. The error names the key.

    Examples
    --------
    >>> from pathlib import Path
    >>> [answer_map] = read_answer_maps(Path("answers.yaml"))
    >>> answer_map.workflow, answer_map.tasks["T0"]["Smooth"]
    ('6122', 'Class1.1')
    """
    with reading_yaml(path):
        text = path.read_text(encoding="utf-8-sig")
        documents = [document for document in yaml.load_all(text, Loader=_Texts) if document]
    try:
        maps = [_answer_map(document) for document in documents]
    except GalaxiesError as error:
        raise GalaxiesError(f"{path}: {error}") from error
    asked = asked_questions(maps)
    if not asked:
        raise GalaxiesError(
            f"{path}: no answer is mapped to a column; see galaxies votes --example"
        )
    for number in asked:
        after = ASKED.questions[number - 1].asked_after
        if after is None:
            continue
        column = ASKED.columns[ASKED.place(after)]
        if not any(column in ASKED.questions[earlier - 1].columns for earlier in asked):
            raise GalaxiesError(
                f"{path}: question {number} is asked after the answer {column}, which no task "
                "has; map the task that leads to it, or leave this one out"
            )
    return maps


def _answer_map(document: object) -> AnswerMap:
    if not isinstance(document, dict):
        raise GalaxiesError("must contain tasks and their answers; see galaxies votes --example")
    rest = dict(document)
    workflow = rest.pop("workflow", None)
    if workflow is not None and not str(workflow).isdecimal():
        raise GalaxiesError(f"workflow: must be a number, got {workflow!r}")
    versions = rest.pop("versions", [])
    versions = versions if isinstance(versions, list) else [versions]
    for version in versions:
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise GalaxiesError(f"versions: must be like 28 or 28.30, got {version!r}")
    return AnswerMap(
        {name: _task(name, answers) for name, answers in rest.items()}, workflow, tuple(versions)
    )


def _task(name: str, answers: object) -> dict[str, str | None]:
    if not _TASK.fullmatch(name):
        raise GalaxiesError(f"{name}: unknown key; tasks have names such as T0")
    if not isinstance(answers, dict):
        raise GalaxiesError(f"{name}: must contain answers, such as `Smooth: Class1.1`")
    columns: dict[str, str | None] = {}
    for label, column in answers.items():
        if column not in ASKED.columns and column not in _LEFT_OUT:
            raise GalaxiesError(
                f"{name}.{label}: {column!r} is not one of Kaggle's columns, from "
                f"{ASKED.columns[0]} to {ASKED.columns[-1]}; null leaves an answer out"
            )
        meant = None if column in _LEFT_OUT else str(column)
        if columns.setdefault(plain_words(label), meant) != meant:
            raise GalaxiesError(f"{name}.{label}: the same answer has two columns")
    return columns
