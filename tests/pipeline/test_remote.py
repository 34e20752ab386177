"""A survey of one's own: tracked, queued, pushed to S3, and fetched into a new clone.

The server is moto's.
"""

import shutil

import pytest
import requests
from moto.server import ThreadedMotoServer

from clones import make_clone, run
from tests.pipeline.conftest import TINY

pytestmark = pytest.mark.pipeline


@pytest.fixture
def bucket(monkeypatch) -> str:
    """Address of an S3 server with a bucket `galaxies`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    service = ThreadedMotoServer(port=0)
    service.start()
    host, port = service.get_host_and_port()
    requests.put(f"http://{host}:{port}/galaxies", timeout=60).raise_for_status()
    yield f"http://{host}:{port}"
    service.stop()


def test_a_survey_goes_to_a_bucket_and_into_a_new_clone(bucket, tiny_survey, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    make_clone(one, TINY)
    shutil.copytree(tiny_survey, one / "data/mine")
    run(one, "dvc", "add", "data/mine")
    run(one, "dvc", "remote", "add", "--default", "store", "s3://galaxies/dvc")
    run(one, "dvc", "remote", "modify", "store", "endpointurl", bucket)
    run(one, "git", "add", "--all")
    tracked = run(one, "git", "ls-files", "data").split()
    assert tracked == ["data/.gitignore", "data/README.md", "data/mine.dvc"]
    run(one, "git", "commit", "--quiet", "--message", "my survey")

    # The queue runs in a copy of what Git and DVC track.
    run(one, "dvc", "exp", "run", "--queue", "-n", "mine", "-S", "survey=mine", "split")
    assert "mine" in run(one, "dvc", "queue", "status")
    run(one, "dvc", "exp", "run", "--run-all")
    # `dvc exp apply` wants the outputs of all stages.
    run(one, "dvc", "exp", "branch", "mine", "mine")
    run(one, "git", "checkout", "--quiet", "mine")
    run(one, "dvc", "checkout", "pack", "split")
    run(one, "dvc", "push", "data/mine.dvc", "pack", "split")

    run(tmp_path, "git", "clone", "--quiet", str(one), str(two))
    run(two, "dvc", "fetch", "data/mine.dvc", "pack", "split")
    run(two, "dvc", "pull", "data/mine.dvc", "pack", "split")
    for name in ("data/mine/images_training_rev1.zip", "data/split.parquet"):
        assert (two / name).read_bytes() == (one / name).read_bytes()
    assert "didn't change, skipping" in run(two, "dvc", "repro", "--single-item", "split")
