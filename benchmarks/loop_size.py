"""Time and memory of `ask`, `votes` and `audit` with millions of rows.

The inputs are synthetic: a table of classes, a catalogue whose paths all point to one picture, and
an export with forty classifications for each galaxy that was asked about. Each command runs in its
own process, and so does the code that makes the inputs, because a new process inherits the peak
memory of its parent.

    python -m benchmarks.loop_size --rows 10000000
"""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from galaxies.base.outputs import write_json
from galaxies.classifying.classifier import COLUMNS
from galaxies.classifying.table_files import write_stream
from galaxies.judgement.promises import UNDECIDED
from galaxies.questions.campaign import CLASSES
from galaxies.volunteers.subjects import COLUMNS as MANIFEST_COLUMNS
from galaxies.volunteers.subjects import MANIFEST

SEED = 123
AT_ONCE = 500_000
VOLUNTEERS, PEOPLE = 40, 50_000
"""Classifications of each galaxy, and different volunteers in all."""
ANSWERS = ("Smooth", "Features or disk", "Star or artifact")
ANSWER_MAP = """\
workflow: 6122
T0:
  Smooth: Class1.1
  Features or disk: Class1.2
  Star or artifact: Class1.3
"""
METADATA = {
    "source": "api", "session": "e69d40c94873e2e4e2868226d5567e0e997bf58e8800eef4def679ff3e69f97f",
    "viewport": {"width": 1080, "height": 1841}, "started_at": "2026-02-20T10:41:13.381Z",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "utc_offset": "-3600", "finished_at": "2026-02-20T10:44:42.480Z", "user_language": "en",
    "subject_dimensions": [{"clientWidth": 424, "clientHeight": 424, "naturalWidth": 424}],
}  # fmt: skip
"""Of the length that it has in real exports."""


def picture() -> bytes:
    """Make the JPEG that is used for every galaxy."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "navy").save(file, "JPEG")
    return file.getvalue()


def make_classes(folder: Path, rows: int) -> None:
    """Write a table of classes, two in three decided, and its catalogue."""
    random = np.random.default_rng(SEED)
    (folder / "one.jpg").write_bytes(picture())

    def pieces() -> Iterator[pa.Table]:
        for start in range(0, rows, AT_ONCE):
            count = min(AT_ONCE, rows - start)
            p = random.random(count, np.float32)
            labels = np.array(CLASSES, object)[(p > 0.5).astype(int)]
            columns = {
                "galaxy_id": pa.array(np.arange(start, start + count).astype(str)),
                "p_spiral": pa.array(p),
                "spread": pa.array(p * (1 - p)),
                "label": pa.array(labels),
                "decision": pa.array(np.where(abs(p - 0.5) > 1 / 6, labels, UNDECIDED)),
                "error": pa.nulls(count, pa.string()),
            }
            yield pa.table(columns, schema=COLUMNS)

    def catalogue() -> Iterator[pa.Table]:
        for start in range(0, rows, AT_ONCE):
            ids = [str(one) for one in range(start, min(start + AT_ONCE, rows))]
            yield pa.table({"id": ids, "path": ["one.jpg"] * len(ids)})

    write_stream(folder / "classes.parquet", COLUMNS, pieces)
    kinds = pa.schema({"id": pa.string(), "path": pa.string()})
    write_stream(folder / "catalogue.parquet", kinds, catalogue)


def make_export(folder: Path, rows: int) -> None:
    """Write a subject set, an answer map, and an export with that many classifications."""
    random = np.random.default_rng(SEED)
    galaxies = max(1, rows // VOLUNTEERS)
    subjects = folder / "asked"
    subjects.mkdir()
    (subjects / "one.jpg").write_bytes(picture())
    with (subjects / MANIFEST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MANIFEST_COLUMNS)
        for galaxy in range(galaxies):
            writer.writerow(("one.jpg", galaxy, "0.5", 1, "c2a1" * 16, "uncertain"))
    (folder / "answers.yaml").write_text(ANSWER_MAP, encoding="utf-8")

    def quoted(value: object) -> str:
        return '"' + json.dumps(value).replace('"', '""') + '"'

    said = [quoted([{"task": "T0", "task_label": "Is it smooth?", "value": a}]) for a in ANSWERS]
    about = {"retired": None, "#galaxy_id": "GALAXY", "#batch": "1", "#image": "one.jpg"}
    data = quoted({"SUBJECT": about})
    metadata = quoted(METADATA)
    with (folder / "export.csv").open("w", encoding="utf-8") as file:
        file.write(
            "classification_id,user_name,user_id,user_ip,workflow_id,workflow_name,"
            "workflow_version,created_at,gold_standard,expert,metadata,annotations,"
            "subject_data,subject_ids\n"
        )
        for start in range(0, rows, AT_ONCE):
            count = min(AT_ONCE, rows - start)
            drawn = zip(
                random.integers(galaxies, size=count).tolist(),
                random.integers(PEOPLE, size=count).tolist(),
                random.integers(len(ANSWERS), size=count).tolist(),
                strict=True,
            )
            for number, (galaxy, person, answer) in enumerate(drawn, 90_000_000 + start):
                subject = 70_000_000 + galaxy
                here = data.replace("SUBJECT", str(subject)).replace("GALAXY", str(galaxy))
                file.write(
                    f"{number},volunteer{person},{person},2c61707e96c97a759840,6122,Galaxies,28.30,"
                    f"2026-02-20 10:44:42 UTC,,,{metadata},{said[answer]},{here},{subject}\n"
                )


def apart(make: Callable[[Path, int], None], folder: Path, rows: int) -> None:
    """Make inputs in a separate process."""
    process = get_context("spawn").Process(target=make, args=(folder, rows))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{make.__name__}: status {process.exitcode}")


def measure(folder: Path, *command: str) -> dict[str, float]:
    """Run a `galaxies` command; returns its time and memory.

    Raises
    ------
    RuntimeError
        If it fails; holds the output.
    """
    log = folder / "log"
    began = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "galaxies.cli", *command],
            stdout=file,
            stderr=file,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}: {log.read_text(encoding='utf-8')[-2000:]}")
    return {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "memory_mb": usage.ru_maxrss / 1000,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--number", type=int, default=1000, help="galaxies asked about")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/loop_size.json"))
    options = parser.parse_args()
    results = []
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            apart(make_classes, folder, rows)
            number = ("--number", str(options.number))
            ask = ("ask", "classes.parquet", "catalogue.parquet", *number)
            commands: dict[str, tuple[str, ...]] = {
                "ask": (*ask, "-o", "uncertain"),
                "ask for an audit": (*ask, "--audit-share", "1", "-o", "elsewhere/audit"),
                "draw an audit": ("audit", "classes.parquet", "-o", "audit.csv", *number),
            }
            taken = {what: measure(folder, *words) for what, words in commands.items()}
            sample = pd.read_csv(folder / "audit.csv", dtype=str)
            sample.assign(answer=CLASSES[0]).to_csv(folder / "audit.csv", index=False)
            judge = ("audit", "classes.parquet", "--answers", "audit.csv")
            taken["judge an audit"] = measure(folder, *judge)
            (folder / "classes.parquet").unlink()
            (folder / "catalogue.parquet").unlink()
            apart(make_export, folder, rows)
            asked = ("--answers", "answers.yaml", "--subjects", "asked", "-o", "survey")
            taken["votes"] = measure(folder, "votes", "export.csv", *asked)
            megabytes = (folder / "export.csv").stat().st_size / 1e6
        for what, figures in taken.items():
            row = {"what": what, "rows": rows, **figures}
            results.append(row | ({"export_mb": megabytes} if what == "votes" else {}))
    print(pd.DataFrame(results).round(1).to_string(index=False))
    write_json(options.output, results)


if __name__ == "__main__":
    main()
