"""The same classification on a Ray cluster of several machines, each a process here."""

import os
import signal
import threading
import time
import zipfile
from functools import partial

import numpy as np
import pandas as pd
import psutil
import pytest

from galaxies.classifying import job
from galaxies.classifying.engines import local_engine
from galaxies.classifying.job import run_job
from galaxies.errors import GalaxiesError
from tests.conftest import draw_galaxy, encode

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster  # noqa: E402

from galaxies.classifying.ray_engine import _share_out, ray_engine  # noqa: E402

# Ray's own, and what it leaves for the garbage collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(3):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    random = np.random.default_rng(11)
    path = tmp_path_factory.mktemp("input") / "images.zip"
    drawn = [encode(draw_galaxy(random, bool(n % 2))) for n in range(10)]
    with zipfile.ZipFile(path, "w") as file:
        for number in range(240):
            file.writestr(f"g{number:03d}.jpg", drawn[number % 10] if number % 50 else b"")
    return path


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(job, "SHARD", 20)


def workers():
    """The actors' processes."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "MapWorker" in " ".join(process.info["cmdline"] or [])
    ]


def test_the_cluster_makes_the_same_table_though_a_worker_is_killed(
    cluster, archive, tree_bundle, tmp_path
):
    engine = partial(ray_engine, address=cluster.address)
    expected = tmp_path / "local.parquet"
    run_job([str(archive)], expected, tree_bundle, partial(local_engine, workers=1))

    output = tmp_path / "out.parquet"
    shards = tmp_path / "out.parquet.shards"
    killed = []

    def kill():
        while not killed:
            if list(shards.glob("*.parquet")) and (found := workers()):
                os.kill(found[0].pid, signal.SIGKILL)
                killed.append(found[0].pid)
            time.sleep(0.005)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    found = run_job([str(archive)], output, tree_bundle, engine)
    killer.join(timeout=10)
    assert killed
    assert found.unreadable == 5
    assert output.read_bytes() == expected.read_bytes()
    assert len(pd.read_parquet(output)) == 240


def test_the_cluster_continues_what_this_machine_began(cluster, archive, tree_bundle, tmp_path):
    output = tmp_path / "out.parquet"

    def dying(bundle, options, chunks, shards, progress):
        first = [chunk for chunk, _ in zip(chunks, range(4), strict=False)]
        local_engine(bundle, options, first, shards, progress, workers=1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job([str(archive)], output, tree_bundle, dying)
    shards = tmp_path / "out.parquet.shards"
    before = {path.name: path.stat().st_mtime_ns for path in shards.glob("*.parquet")}
    assert len(before) == 4
    engine = partial(ray_engine, address=cluster.address)
    run_job([str(archive)], output, tree_bundle, engine)
    assert len(pd.read_parquet(output)) == 240


@pytest.mark.parametrize(
    ("device", "machines", "expected"),
    [
        ("cpu", [{"CPU": 2.0}], (1, 2, 0)),
        ("cpu", [{"CPU": 64.0, "GPU": 2.0}, {"CPU": 0.0}], (16, 4, 0)),
        ("gpu", [{"CPU": 64.0, "GPU": 2.0}, {"CPU": 8.0}], (2, 4, 1)),
        ("gpu", [{"CPU": 3.0, "GPU": 1.0}, {"CPU": 16.0, "GPU": 4.0}], (5, 3, 1)),
    ],
)
def test_a_gpu_is_taken_only_on_request(device, machines, expected, monkeypatch):
    nodes = [{"Alive": True, "Resources": one} for one in machines]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    assert _share_out(device) == expected


def test_a_cluster_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 8.0}}])
    with pytest.raises(GalaxiesError, match="has a GPU; omit --device gpu"):
        _share_out("gpu")


def test_an_error_on_a_machine_is_one_line(cluster, archive, tree_bundle, tmp_path):
    hidden = tmp_path / "bundle"
    hidden.mkdir()
    for file in tree_bundle.iterdir():
        (hidden / file.name).write_bytes(file.read_bytes())
    (hidden / "tree.npz").write_bytes(b"damaged")
    engine = partial(ray_engine, address=cluster.address)
    with pytest.raises(GalaxiesError, match=r"tree.npz: is not the file"):
        run_job([str(archive)], tmp_path / "out.parquet", hidden, engine)


def test_a_cluster_that_is_not_there_is_named(archive, tree_bundle, tmp_path):
    engine = partial(ray_engine, address="127.0.0.1:1")
    with pytest.raises(GalaxiesError, match=r"no Ray cluster at 127.0.0.1:1"):
        run_job([str(archive)], tmp_path / "out.parquet", tree_bundle, engine)
