"""Copies of the project, in which tests and benchmarks run the pipeline with chosen settings."""

import argparse
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

ROOT = Path(__file__).parent


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose what a clone runs: `survey`, and `set`, a list of settings."""
    parser.add_argument("--survey", type=Path, help="folder of a survey; default: the simulated")
    parser.add_argument(
        "--set", nargs="+", type=_setting, default=[], metavar="KEY=VALUE", help="as in params.yaml"
    )


def _setting(text: str) -> tuple[str, object]:
    key, _, value = text.partition("=")
    return key, yaml.safe_load(value)


def make_clone(folder: Path, params: Mapping[str, object], survey: Path | None = None) -> Path:
    """Copy the project in its present state, without results, into a new repository.

    Parameters
    ----------
    folder
        The new repository.
    params
        Values of `params.yaml` to change, by their full names such as `cnn.views`.
    survey
        Folder to copy to `data/` under its own name, and to run the pipeline on.
    """
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT).decode().split("\0")[:-1]:
        if (ROOT / name).is_file() and not name.startswith(("metrics/", "figures/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    if survey is not None:
        shutil.copytree(survey, folder / "data" / survey.name, copy_function=shutil.copy)
        params = {**params, "survey": survey.name}
    set_params(folder, params)
    for command in (
        "init --quiet",
        "config user.name clone",
        "config user.email clone@example.org",
        "add --all",
        "commit --quiet --message start",
    ):
        run(folder, "git", *command.split())
    return folder


def set_params(clone: Path, changes: Mapping[str, object]) -> None:
    """Change values in the `params.yaml` of a clone; an unknown key is a `KeyError`."""
    path = clone / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = functools.reduce(dict.__getitem__, sections, params)
        if name not in section:
            raise KeyError(key)
        section[name] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


class Surroundings(NamedTuple):
    """Conditions that must not affect a run."""

    hash_seed: int
    """Of Python's hashes, on which the order of sets depends."""
    threads: int
    """Of TensorFlow, OpenMP and OpenBLAS each, where the project does not fix them."""
    processors: int
    """That the run may use; no more than there are."""


def start(
    clone: Path,
    *command: str,
    within: Surroundings | None = None,
    output: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start a command in a clone, in its own process group, with this Python first on the path.

    Parameters
    ----------
    clone
        The folder.
    command
        The words of the command.
    within
        Other surroundings than the present ones.
    output
        Where its output goes, as for `subprocess.Popen`.
    """
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    if within is not None:
        environment["PYTHONHASHSEED"] = str(within.hash_seed)
        for name in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
            environment[f"{name}_THREADS"] = str(within.threads)
        allowed = sorted(os.sched_getaffinity(0))[: within.processors]
    else:
        allowed = sorted(os.sched_getaffinity(0))
    return subprocess.Popen(
        command,
        cwd=clone,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=0,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )


def run(clone: Path, *command: str, status: int = 0, within: Surroundings | None = None) -> str:
    """Run a command like `start`, and return its output.

    Raises
    ------
    RuntimeError
        If the exit status is not the expected one; holds the output.
    """
    process = start(clone, *command, within=within)
    text = process.communicate()[0].decode()
    if process.returncode != status:
        raise RuntimeError(f"{' '.join(command)}: status {process.returncode}\n{text}")
    return text


def lock(clone: Path) -> dict[str, dict[str, Any]]:
    """Read the stages of `dvc.lock`."""
    stages: dict[str, dict[str, Any]] = yaml.safe_load(
        (clone / "dvc.lock").read_text(encoding="utf-8")
    )["stages"]
    return stages


def results(clone: Path) -> dict[str, str]:
    """Collect the results of a run, to compare them with those of another.

    Returns
    -------
    dict
        Every dependency and output in `dvc.lock` as `stage: path` with its hash, and every file
        under `metrics/` and `figures/` with the SHA-256 of its bytes.
    """
    found = {
        f"{name}: {item['path']}": item["md5"]
        for name, stage in lock(clone).items()
        for item in (*stage.get("deps", []), *stage.get("outs", []))
    }
    for folder in ("metrics", "figures"):
        for path in sorted((clone / folder).rglob("*")):
            if path.is_file() and path.name != ".gitignore":
                name = path.relative_to(clone).as_posix()
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def compare(first: dict[str, str], second: dict[str, str]) -> pd.DataFrame:
    """Count the identical results, and name the different ones.

    Parameters
    ----------
    first, second
        As returned by `results`.

    Returns
    -------
    DataFrame
        A row each for the hashes of stages, metrics and figures: `compared`, `identical`, and the
        names of the `different` ones.
    """
    kinds = {
        "hashes in dvc.lock": [name for name in (first | second) if ": " in name],
        "metrics": [name for name in (first | second) if name.startswith("metrics/")],
        "figures": [name for name in (first | second) if name.startswith("figures/")],
    }
    rows = []
    for kind, names in kinds.items():
        different = [name for name in names if first.get(name) != second.get(name)]
        rows.append([kind, len(names), len(names) - len(different), different])
    return pd.DataFrame(rows, columns=["what", "compared", "identical", "different"])
