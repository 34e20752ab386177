"""What Zooniverse would export, had made-up volunteers looked at the subjects."""

import csv
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

HEADER = [
    "classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name",
    "workflow_version", "created_at", "gold_standard", "expert", "metadata", "annotations",
    "subject_data", "subject_ids",
]  # fmt: skip

ANSWERS = """\
workflow: 6122
T0:
  Smooth: Class1.1
  Features or disk: Class1.2
  Star or artifact: Class1.3
T1:
  Completely round: Class7.1
  In between: Class7.2
  Cigar-shaped: Class7.3
"""
QUESTION = {"T0": "Is the galaxy smooth?", "T1": "How rounded is it?"}
T0 = ("Smooth", "Features or disk", "Star or artifact")
T1 = ("Completely round", "In between", "Cigar-shaped")
PICTURE = "![smooth.png](https://panoptes-uploads.zooniverse.org/smooth.png =36x) "


def classification(
    number: int, person: str, galaxy_id: str, said: Mapping[str, object], **changes: str
) -> dict[str, str]:
    """A row; a person whose name starts with - is not logged in."""
    hidden = person.startswith("-")
    subject = str(int.from_bytes(b"1" + str(galaxy_id).encode(), "big"))
    annotations = [
        {"task": task, "task_label": QUESTION.get(task, task), "value": value}
        for task, value in said.items()
    ]
    metadata = {"source": "api", "session": "e69d40c9", "user_language": "en", "utc_offset": "0"}
    about = {"retired": None, "#galaxy_id": galaxy_id, "#batch": "1", "#image": "x.jpg"}
    return {
        "classification_id": str(number),
        "user_name": f"not-logged-in-{person[1:]}" if hidden else person,
        "user_id": "" if hidden else str(1000 + int.from_bytes(person.encode()[-5:], "big")),
        "user_ip": person[1:] if hidden else "2c61707e96c97a759840",
        "workflow_id": "6122",
        "workflow_name": "Galaxies",
        "workflow_version": "28.30",
        "created_at": "2026-02-20 10:44:42 UTC",
        "gold_standard": "",
        "expert": "",
        "metadata": json.dumps(metadata),
        "annotations": json.dumps(annotations),
        "subject_data": json.dumps({subject: about}),
        "subject_ids": subject,
    } | changes


def write_export(path: Path, rows: Iterable[Mapping[str, str]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def simulated_rows(
    counts: Mapping[str, Mapping[str, int]], random: np.random.Generator
) -> list[dict[str, str]]:
    """Deal a table of counts, by galaxy and column, out to people; classifications in any order."""
    rows = []
    for galaxy_id, given in counts.items():
        shapes = itertools.chain.from_iterable(
            [label] * given[f"Class7.{place}"] for place, label in enumerate(T1, 1)
        )
        people = iter(random.permutation(200).tolist())
        for place, label in enumerate(T0, 1):
            for _ in range(given[f"Class1.{place}"]):
                said = {"T0": PICTURE + label if place == 1 else label}
                shape = next(shapes, None) if place == 1 else None
                if shape:
                    said["T1"] = shape
                person = next(people)
                name = f"-{person:020x}" if person % 5 == 0 else f"volunteer{person}"
                rows.append((name, galaxy_id, said))
    order = random.permutation(len(rows))
    return [classification(90_000_000 + turn, *rows[n]) for turn, n in enumerate(order.tolist())]
