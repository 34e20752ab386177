"""Inputs that change while a job is stopped, two jobs at once, and files in several places."""

import gzip
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from functools import partial
from itertools import islice
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from galaxies.base.outputs import sole_writer
from galaxies.classifying import engines, job
from galaxies.classifying.engines import local_engine
from galaxies.classifying.job import run_job
from galaxies.errors import GalaxiesError
from tests.conftest import draw_galaxy, encode

LOCAL = partial(local_engine, workers=2)
GALAXIES = 20


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(job, "SHARD", 6)
    monkeypatch.setattr(engines, "BATCH", 4)


@pytest.fixture
def cutouts(tmp_path) -> Path:
    random = np.random.default_rng(11)
    (tmp_path / "cutouts").mkdir()
    for number in range(GALAXIES):
        data = encode(draw_galaxy(random, bool(number % 2)))
        (tmp_path / f"cutouts/g{number:02d}.jpg").write_bytes(data)
    rows = "".join(f"g{n:02d},cutouts/g{n:02d}.jpg\n" for n in range(GALAXIES))
    (tmp_path / "catalogue.csv").write_text(f"id,path\n{rows}")
    return tmp_path / "cutouts"


class StoppedError(Exception):
    """As if the machine was switched off."""


def two_chunks(bundle, options, chunks, shards, progress):
    """An engine that is stopped after two chunks."""
    LOCAL(bundle, options, islice(chunks, 2), shards, progress)
    raise StoppedError


def start(source: Path, output: Path, bundle: Path) -> None:
    with pytest.raises(StoppedError):
        run_job([str(source)], output, bundle, two_chunks)


def answers(output: Path) -> list[float]:
    return pd.read_csv(output)["p_spiral"].tolist()


def replaced(path: Path) -> None:
    """Another galaxy in the same number of bytes."""
    data = encode(draw_galaxy(np.random.default_rng(77), spiral=True))
    path.write_bytes(data.ljust(path.stat().st_size, b"\0")[: path.stat().st_size])


def test_images_of_a_catalogue_that_were_replaced_are_classified_again(
    cutouts, tree_bundle, tmp_path
):
    catalogue, output = tmp_path / "catalogue.csv", tmp_path / "classes.csv"
    start(catalogue, output, tree_bundle)
    data = encode(draw_galaxy(np.random.default_rng(77), spiral=True))
    (cutouts / "g01.jpg").write_bytes(data)
    (cutouts / "g08.jpg").unlink()
    again = []

    def watched(bundle, options, chunks, shards, progress):
        def noted():
            for number, chunk in chunks:
                again.append(number)
                yield number, chunk

        LOCAL(bundle, options, noted(), shards, progress)

    run_job([str(catalogue)], output, tree_bundle, watched)
    assert again == [0, 1, 2, 3]
    whole = tmp_path / "whole.csv"
    run_job([str(catalogue)], whole, tree_bundle, LOCAL)
    assert output.read_bytes() == whole.read_bytes()
    assert pd.read_csv(output)["error"].notna().sum() == 1


@pytest.mark.parametrize("source", ["cutouts", "catalogue.csv"])
def test_an_image_that_was_replaced_by_one_of_equal_size_and_time_is_classified_again(
    source, cutouts, tree_bundle, tmp_path
):
    output, image = tmp_path / "classes.csv", cutouts / "g01.jpg"
    start(tmp_path / source, output, tree_bundle)
    before = image.stat()
    replaced(image)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    run_job([str(tmp_path / source)], output, tree_bundle, LOCAL)
    run_job([str(tmp_path / source)], tmp_path / "whole.csv", tree_bundle, LOCAL)
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_shard_that_lost_rows_is_made_again(cutouts, tree_bundle, tmp_path):
    output = tmp_path / "classes.csv"
    start(cutouts, output, tree_bundle)
    shard = next(tmp_path.glob("classes.csv.shards/*.parquet"))
    pq.write_table(pq.read_table(shard).slice(0, 2), shard)
    done = run_job([str(cutouts)], output, tree_bundle, LOCAL)
    assert done.decisions.total() + done.unreadable == len(answers(output)) == GALAXIES


def test_what_was_not_replaced_is_not_classified_again(cutouts, tree_bundle, tmp_path):
    catalogue, output = tmp_path / "catalogue.csv", tmp_path / "classes.csv"
    start(catalogue, output, tree_bundle)
    replaced(cutouts / "g19.jpg")
    numbers = []

    def watched(bundle, options, chunks, shards, progress):
        numbers.extend(number for number, _ in chunks)
        raise StoppedError

    with pytest.raises(StoppedError):
        run_job([str(catalogue)], output, tree_bundle, watched)
    assert numbers == [2, 3]


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_an_input_that_was_replaced_is_another_job(cutouts, tree_bundle, tmp_path, kind):
    def pack() -> Path:
        if kind == "folder":
            return cutouts
        return Path(shutil.make_archive(str(tmp_path / "packed"), kind, cutouts))

    output, source = tmp_path / "classes.csv", pack()
    start(source, output, tree_bundle)
    replaced(cutouts / "g01.jpg")
    pack()
    with pytest.raises(GalaxiesError, match=r"started with another input; .* or --overwrite"):
        run_job([str(source)], output, tree_bundle, LOCAL)


def test_an_archive_of_the_same_size_and_time_is_noticed(cutouts, tree_bundle, tmp_path):
    def pack() -> None:
        with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
            for path in sorted(cutouts.iterdir()):
                archive.write(path, path.name)
        os.utime(tmp_path / "packed.zip", (1, 1))

    pack()
    size = (tmp_path / "packed.zip").stat().st_size
    start(tmp_path / "packed.zip", tmp_path / "classes.csv", tree_bundle)
    replaced(cutouts / "g01.jpg")
    pack()
    assert (tmp_path / "packed.zip").stat().st_size == size
    with pytest.raises(GalaxiesError, match="started with another input"):
        run_job([str(tmp_path / "packed.zip")], tmp_path / "classes.csv", tree_bundle, LOCAL)


def in_csv(path, rows):
    path.write_text("id,path\n" + "".join(f"{one},{file}\n" for one, file in rows))


def in_fits(path, rows):
    columns = [
        fits.Column(name, "40A", array=np.array(column))
        for name, column in zip(("id", "path"), zip(*rows, strict=True), strict=True)
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path, overwrite=True)


def in_parquet(path, rows):
    ids, files = zip(*rows, strict=True)
    pq.write_table(pa.table({"id": ids, "path": files}), path, compression="none")


def in_tar(path, rows):
    with tarfile.open(path, "w") as archive:
        for one, file in rows:
            member = tarfile.TarInfo(f"{one}.jpg")
            data = (path.parent / file).read_bytes().ljust(9000, b"\0")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def in_tar_gz(path, rows):
    in_tar(path.with_suffix(".plain"), rows)
    packed = gzip.compress(path.with_suffix(".plain").read_bytes(), mtime=0)
    path.write_bytes(packed.ljust(200_000, b"\0"))


def in_images(path, rows):
    images = [(path.parent / file).read_bytes().ljust(9000, b"\0") for _, file in rows]
    table = pa.table({"id": [one for one, _ in rows], "image": images})
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", in_csv),
        ("a.fits", in_fits),
        ("a.parquet", in_parquet),
        ("a.tar", in_tar),
        ("a.tgz", in_tar_gz),
        ("b.parquet", in_images),
    ],
)
def test_an_input_of_equal_size_and_time_is_another_job(
    name, write, cutouts, tree_bundle, tmp_path
):
    files = [f"cutouts/g{number:02d}.jpg" for number in range(GALAXIES)]
    ids = [f"g{number:02d}" for number in range(GALAXIES)]
    source, output = tmp_path / name, tmp_path / "classes.csv"
    write(source, list(zip(ids, files, strict=True)))
    os.utime(source, (1, 1))
    size = source.stat().st_size
    start(source, output, tree_bundle)
    write(source, list(zip(ids, reversed(files), strict=True)))
    os.utime(source, (1, 1))
    assert source.stat().st_size == size
    with pytest.raises(GalaxiesError, match="started with another input"):
        run_job([str(source)], output, tree_bundle, LOCAL)


@pytest.mark.parametrize("shards", [None, "pieces"])
def test_two_jobs_cannot_have_one_output(cutouts, tree_bundle, tmp_path, shards):
    folder = None if shards is None else str(tmp_path / shards)

    def second(bundle, options, chunks, made, progress):
        for output in (tmp_path / "classes.csv", *([tmp_path / "b.csv"] if shards else [])):
            with pytest.raises(GalaxiesError, match="another process is writing it; wait until"):
                run_job([str(cutouts)], output, tree_bundle, LOCAL, shards=folder, overwrite=True)
        LOCAL(bundle, options, chunks, made, progress)

    run_job([str(cutouts)], tmp_path / "classes.csv", tree_bundle, second, shards=folder)
    assert len(answers(tmp_path / "classes.csv")) == GALAXIES
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"cutouts", "catalogue.csv", "classes.csv"}


def test_a_process_that_was_killed_leaves_no_lock(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from galaxies.base.outputs import sole_writer\n"
        "with sole_writer(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    path = tmp_path / "classes.csv"
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(GalaxiesError, match="another process"), sole_writer(path):
            pass
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    with sole_writer(path):
        assert time.monotonic() < deadline
    assert not list(tmp_path.iterdir())


def test_one_catalogue_has_files_in_several_places(cutouts, tree_bundle, tmp_path):
    memory = fsspec.filesystem("memory")
    for number in range(GALAXIES):
        memory.pipe(f"/night/g{number:02d}.jpg", (cutouts / f"g{number:02d}.jpg").read_bytes())
    kinds = [
        "cutouts/g{:02d}.jpg",
        "memory://night/g{:02d}.jpg",
        f"file://{cutouts}/g{{:02d}}.jpg",
        f"{cutouts}/g{{:02d}}.jpg",
    ]
    rows = "".join(f"g{n:02d},{kinds[n % 4].format(n)}\n" for n in range(GALAXIES))
    strange = (
        "x1,gopher://sky/galaxy.jpg\nx2,memory://night/absent.jpg\nx3,memory://night/g00.jpg\n"
    )
    (tmp_path / "mixed.csv").write_text(f"id,path\n{rows}{strange}")
    run_job([str(tmp_path / "mixed.csv")], tmp_path / "mixed_out.csv", tree_bundle, LOCAL)
    run_job([str(cutouts)], tmp_path / "plain.csv", tree_bundle, LOCAL)
    mixed = pd.read_csv(tmp_path / "mixed_out.csv")
    expected = answers(tmp_path / "plain.csv")
    assert mixed["p_spiral"][:GALAXIES].tolist() == expected
    assert mixed["p_spiral"][GALAXIES + 2] == expected[0]
    assert mixed["error"][:GALAXIES].isna().all()
    said = mixed["error"][GALAXIES : GALAXIES + 2].tolist()
    assert ["Protocol not known: gopher" in said[0], "absent.jpg" in said[1]] == [True, True]
