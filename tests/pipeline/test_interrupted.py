"""Stages killed halfway, and what is left of them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks.clones import lock, make_clone
from benchmarks.interrupt import kill_stage, recover

from tests.conftest import ROOT
from tests.pipeline.conftest import TINY

pytestmark = pytest.mark.pipeline


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
