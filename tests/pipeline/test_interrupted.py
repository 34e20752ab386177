"""Stages killed halfway, and what is left of them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clones import lock, make_clone, run, start
from tests.conftest import ROOT
from tests.pipeline.conftest import TINY

pytestmark = pytest.mark.pipeline

REPRO = ("dvc", "repro", "--no-run-cache")


def wait_for_script(process: "subprocess.Popen[bytes]") -> None:
    """Wait until DVC has started the script of a stage, or has ended."""
    while process.poll() is None:
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            # Processes may end while they are inspected.
            with contextlib.suppress(OSError):
                of_ours = os.getpgid(int(command.parent.name)) == process.pid
                if of_ours and b"\0-m\0stages." in command.read_bytes():
                    return
        time.sleep(0.01)


def kill_stage(clone: Path, stage: str, after: float, *, alone: bool) -> bool:
    """Run a stage and kill it.

    Parameters
    ----------
    clone, stage
        What to run; the stages before it are done.
    after
        Seconds from the start of its script.
    alone
        Whether to kill only DVC, so that the script keeps running.

    Returns
    -------
    bool
        Whether there was still something to kill.
    """
    # A pipe would break under a script that goes on.
    process = start(clone, *REPRO, stage, output=subprocess.DEVNULL)
    wait_for_script(process)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def recover(clone: Path, stage: str, known: bytes | None) -> str:
    """Run a stage that was killed.

    Parameters
    ----------
    clone, stage
        What to run.
    known
        The content of `dvc.lock` before the stage, if there was one.

    Returns
    -------
    str
        The files of DVC that had to be repaired; empty if none.
    """
    try:
        run(clone, *REPRO, stage)
    except RuntimeError as error:
        if "Unable to read RWLock-file" in str(error):
            broken = ".dvc/tmp/rwlock"
            (clone / broken).unlink()
        elif re.search(r"dvc.lock' (validation failed|is invalid)", str(error)):
            broken = "dvc.lock"
            (clone / broken).write_bytes(known) if known else (clone / broken).unlink()
        else:
            raise
        run(clone, *REPRO, stage)
        return broken
    return ""


@pytest.fixture(scope="module")
def killed(tmp_path_factory, tiny_survey) -> Path:
    return make_clone(tmp_path_factory.mktemp("clone") / "killed", TINY, tiny_survey)


@pytest.mark.parametrize("stage", ["pack", "split", "train_mlp", "predict@mlp"])
def test_a_killed_stage_recovers_to_the_same_bytes(clone, killed, stage):
    file = killed / "dvc.lock"
    known = file.read_bytes() if file.exists() else None
    for after, alone in ((0.0, False), (1.0, True), (1.5, False)):
        kill_stage(killed, stage, after, alone=alone)
    recover(killed, stage, known)
    assert lock(killed)[stage] == lock(clone)[stage]
    made = {out["path"] for out in lock(killed)[stage]["outs"]}
    for folder in {(killed / path).parent for path in made}:
        assert list(folder.glob(".*.partial")) == []


def test_the_workers_of_a_killed_process_end():
    code = (
        "import multiprocessing, os, time; from concurrent.futures import ProcessPoolExecutor\n"
        "from galaxies.simulated.survey import end_with_parent\n"
        "spawn = multiprocessing.get_context('spawn')\n"
        "with ProcessPoolExecutor(1, spawn, initializer=end_with_parent) as pool:\n"
        "    print(pool.submit(os.getpid).result(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = Path("/proc", parent.stdout.readline().decode().strip())
        assert worker.is_dir()
        parent.kill()
    deadline = time.monotonic() + 60
    while runs(worker):
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.1)


def runs(process: Path) -> bool:
    try:
        return "State:\tZ" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
