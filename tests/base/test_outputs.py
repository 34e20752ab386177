import json
import resource
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from galaxies.base.arrays import growing_array, open_array
from galaxies.base.outputs import (
    table_title,
    write_json,
    write_table,
    write_text_table,
    written_beside,
)
from galaxies.errors import GalaxiesError, run_stage


def test_a_failure_leaves_the_earlier_output_and_no_rest(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"a": 1})

    def fail_halfway():
        with written_beside(path) as beside:
            beside.write_text("half")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]


@pytest.mark.slow
def test_what_a_killed_run_left_is_cleared(tmp_path):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from galaxies.base.outputs import written_beside\n"
        "with written_beside(Path(sys.argv[1])) as beside:\n"
        "    beside.mkdir(); (beside / 'half').touch(); os.kill(os.getpid(), 9)"
    )
    path = tmp_path / "bundle"
    assert subprocess.run([sys.executable, "-c", code, path]).returncode == -9
    assert len(list(tmp_path.glob(".bundle.*.partial"))) == 1
    with written_beside(path) as beside:
        beside.mkdir()
    assert list(tmp_path.iterdir()) == [path]
    assert not list(path.iterdir())


def killed_in(path, function):
    """Replace a folder in another process, which is killed in a function of the system."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from galaxies.base import outputs\n"
        "def kill(*_): os.kill(os.getpid(), 9)\n"
        f"{function}\n"
        "with outputs.written_beside(Path(sys.argv[1])) as beside:\n"
        "    beside.mkdir(); (beside / 'new').touch()"
    )
    return subprocess.run([sys.executable, "-c", code, path]).returncode


NO_EXCHANGE = (
    "import ctypes; from types import SimpleNamespace\n"
    "ctypes.CDLL = lambda *_, **__: SimpleNamespace(renameat2=lambda *_: -1)\n"
)
AFTER_THE_FIRST = (
    "first = Path.replace\n"
    "def second(*a): Path.replace = kill; return first(*a)\n"
    "Path.replace = second"
)


@pytest.mark.slow
def test_a_folder_is_never_absent_while_it_is_replaced(tmp_path):
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old").touch()
    # Once the new one is in its place, the old one is removed.
    assert killed_in(path, "outputs.shutil.rmtree = kill") == -9
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert killed_in(path, "pass") == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.slow
def test_a_folder_that_cannot_be_exchanged_is_put_back_after_a_kill(tmp_path):
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old").touch()
    assert killed_in(path, NO_EXCHANGE + AFTER_THE_FIRST) == -9
    assert not path.exists()

    def fail():
        with written_beside(path):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [entry.name for entry in path.iterdir()] == ["old"]
    assert killed_in(path, NO_EXCHANGE) == 0
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


def test_a_link_to_a_folder_is_replaced_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "bundle").symlink_to(tmp_path / "real")
    with written_beside(tmp_path / "bundle") as beside:
        beside.mkdir()
        (beside / "new").touch()
    assert not (tmp_path / "bundle").is_symlink()
    assert not list((tmp_path / "real").iterdir())


def test_two_runs_at_once_do_not_write_into_each_other(tmp_path):
    path = tmp_path / "a.txt"
    with written_beside(path) as first:
        first.write_text("fir")
        with written_beside(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
        with first.open("a") as file:
            file.write("st")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@contextmanager
def small_files():
    """The kernel refuses files beyond 100,000 bytes, as a full disk would.

    No fixture: the file that pytest's own output goes to may be longer.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


NOISE = np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8)


def write_array(path):
    with growing_array(path, (), NOISE.dtype) as file:
        file.write(NOISE)


@pytest.mark.parametrize(
    "write",
    [
        write_array,
        lambda path: write_json(path, NOISE.tolist()),
        lambda path: write_table(path, pd.DataFrame({"p": NOISE})),
        lambda path: write_text_table(path, pd.DataFrame({"p": NOISE})),
    ],
    ids=["array", "json", "parquet", "csv"],
)
def test_a_full_disk_leaves_the_earlier_output_and_says_which_file(tmp_path, write):
    path = tmp_path / "output"
    path.write_text("earlier")
    with small_files(), pytest.raises(GalaxiesError) as caught:
        write(path)
    assert str(caught.value) == f"{path}: File too large; free some space and run again"
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for name in ("old", "new"):
        with written_beside(tmp_path / "bundle") as beside:
            beside.mkdir()
            (beside / name).touch()
    assert [entry.name for entry in (tmp_path / "bundle").iterdir()] == ["new"]


def test_json_is_rounded_and_refuses_what_json_cannot_say(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1 / 3, {"y": 2}], "name": "é"})
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["x"][0] == 0.333333
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))


def test_tables_keep_their_title_and_their_bytes(tmp_path):
    table = pd.DataFrame({"galaxy_id": [587722952767439450], "p": np.float32([0.5])})
    write_table(tmp_path / "a.parquet", table, title="CNN")
    write_table(tmp_path / "b.parquet", table, title="CNN")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert table_title(tmp_path / "a.parquet") == "CNN"
    assert pd.read_parquet(tmp_path / "a.parquet").equals(table)
    write_text_table(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_bytes() == b"galaxy_id,p\n587722952767439450,0.5\n"


@pytest.mark.parametrize("items", [0, 1, 1000])
def test_a_growing_array_is_a_plain_npy_file(tmp_path, items):
    array = np.arange(items * 6, dtype=np.float16).reshape(items, 2, 3)
    with growing_array(tmp_path / "a.npy", (2, 3), array.dtype) as file:
        for item in array:
            file.write(item.tobytes())
    assert np.array_equal(open_array(tmp_path / "a.npy"), array)


def test_a_users_mistake_ends_a_stage_in_one_line():
    def wrong():
        raise GalaxiesError("cnn.epochs: must be at least 1")

    with pytest.raises(SystemExit) as caught:
        run_stage(wrong)
    assert caught.value.code == "error: cnn.epochs: must be at least 1"


def test_a_failing_disk_ends_a_stage_in_one_line():
    def full():
        raise OSError(28, "No space left on device", "data/images.npy")

    with pytest.raises(SystemExit) as caught:
        run_stage(full)
    assert caught.value.code == "error: data/images.npy: No space left on device"
