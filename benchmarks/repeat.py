"""Whether two runs of the pipeline give the same bytes: every hash, every metric, every figure.

The whole pipeline runs twice, each time in a new clone, with another hash seed for Python, another
number of threads and other processors.

    python -m benchmarks.repeat
    python -m benchmarks.repeat --survey data/kaggle --set cnn.recipe=reference
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from clones import Surroundings, add_options, compare, make_clone, results, run
from galaxies.base.outputs import write_json

PACKAGES = ("keras", "matplotlib", "numpy", "pandas", "pillow", "pyarrow", "scikit-learn", "scipy")

FOLDERS = {
    "one": Surroundings(hash_seed=1, threads=1, processors=1),
    "elsewhere/and deeper/two": Surroundings(2, threads=5, processors=os.cpu_count() or 1),
}


def main() -> None:
    """Run the benchmark; the exit status is 1 if anything differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    parser.add_argument("--stages", nargs="+", default=[], help="default: all")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/repeat.json"))
    options = parser.parse_args()
    params = dict(options.set)
    runs, found = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for folder, surroundings in FOLDERS.items():
            clone = make_clone(Path(scratch, folder), params, options.survey)
            print(f"dvc repro in {folder!r}, {surroundings._asdict()}", flush=True)
            start = time.perf_counter()
            command = ("dvc", "repro", "--force", "--no-run-cache", *options.stages)
            run(clone, *command, within=surroundings)
            runs.append({**surroundings._asdict(), "seconds": time.perf_counter() - start})
            found.append(results(clone))
    table = compare(*found)
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "params": params,
        "survey": options.survey.name if options.survey else "simulated",
        "runs": runs,
        "results": table.to_dict("records"),
    }
    write_json(options.output, report)
    print(table.to_string(index=False))
    sys.exit(int((table["compared"] != table["identical"]).any()))


if __name__ == "__main__":
    main()
