"""Long classifications: what comes out, whatever interrupts them."""

import gzip
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

import galaxies
from galaxies.classifying import engines, job
from galaxies.classifying.classifier import COLUMNS, Classifier
from galaxies.classifying.engines import local_engine
from galaxies.classifying.job import run_job
from galaxies.classifying.options import Options, bundle_digest
from galaxies.classifying.shards import Shards
from galaxies.errors import GalaxiesError
from galaxies.images.decode import decode_image, reduce_image
from galaxies.images.fits import decode_fits
from galaxies.models.tree import DecisionTree
from galaxies.tables.catalogue import read_catalogue
from galaxies.tables.columns import ColumnNames
from galaxies.tables.sources import filesystem
from tests.conftest import ROOT, WITHOUT_POSITIONS, draw_galaxy, encode

LOCAL = partial(local_engine, workers=2)


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(11)
    return {f"g{n:03d}": encode(draw_galaxy(random, bool(n % 2))) for n in range(40)}


@pytest.fixture(scope="module")
def archive(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in images.items():
            file.writestr(f"{name}.jpg", data)
    return path


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(job, "SHARD", 6)
    monkeypatch.setattr(engines, "BATCH", 4)


def run(inputs, output, bundle, engine=LOCAL, **options):
    inputs = [str(path) for path in (inputs if isinstance(inputs, list) else [inputs])]
    return run_job(inputs, output, bundle, engine, **options)


def test_the_table_says_what_the_model_says(images, archive, tree_bundle, tmp_path):
    found = run(archive, tmp_path / "out.parquet", tree_bundle)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.names == [*COLUMNS.names, "bundle"]
    frame = table.to_pandas()
    assert frame["galaxy_id"].tolist() == list(images)
    tree = DecisionTree.load(tree_bundle)
    pixels = np.stack([reduce_image(decode_image(data), 32, 0.5) for data in images.values()])
    raw = tree.predict(pixels).astype(float)
    p = 1 / (1 + np.exp(-(1.5 * np.log(raw / (1 - raw)) + 0.25)))
    assert frame["p_spiral"].to_numpy() == pytest.approx(p, abs=1e-6)
    assert len(set(p)) > 4
    assert (frame["label"] == np.where(p > 0.5, "spiral", "elliptical")).all()
    sure = np.maximum(p, 1 - p) >= 0.9
    assert 0 < sure.sum() < 40
    assert (frame["decision"] == np.where(sure, frame["label"], "ask volunteers")).all()
    assert frame["error"].isna().all()
    assert (frame["spread"] == 0).all()
    assert found.decisions.total() == 40
    assert found.unreadable == 0
    assert found.decisions["ask volunteers"] == (~sure).sum()
    assert not (tmp_path / "out.parquet.shards").exists()


def test_views_and_agreement_are_followed(archive, tree_bundle, tmp_path):
    run_job([str(archive)], tmp_path / "a.parquet", tree_bundle, LOCAL, Options(views=8))
    assert (pd.read_parquet(tmp_path / "a.parquet")["spread"] > 0).mean() > 0.5
    strict = run(archive, tmp_path / "b.parquet", tree_bundle)
    lax = run_job(
        [str(archive)], tmp_path / "c.parquet", tree_bundle, LOCAL, Options(agreement=0.8)
    )
    assert lax.decisions["ask volunteers"] < strict.decisions["ask volunteers"]
    with pytest.raises(GalaxiesError, match=r"no promise for an agreement of 0.999"):
        run_job(
            [str(archive)], tmp_path / "d.parquet", tree_bundle, LOCAL, Options(agreement=0.999)
        )


def test_unreadable_images_are_rows_with_an_error(images, tree_bundle, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in list(images.items())[:3]:
        (folder / f"{name}.jpg").write_bytes(data)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "g001.png").write_bytes(b"text")
    found = run(folder, tmp_path / "out.csv", tree_bundle)
    assert found.unreadable == 2
    table = pd.read_csv(tmp_path / "out.csv").set_index("galaxy_id")
    assert table["error"].dropna().to_dict() == {
        "empty": "is empty",
        "g001": "is not a JPEG or PNG",
    }
    bad = table[table["error"].notna()]
    assert bad[["p_spiral", "spread", "label", "decision"]].isna().all(axis=None)
    assert table["p_spiral"].notna().sum() == 3
    only = run([folder / "empty.jpg"], tmp_path / "only.parquet", tree_bundle)
    assert only[:2] == (Counter(), 1)
    assert only.verdict.familiar is None


def dying_engine(bundle, options, chunks, shards, progress, *, after):
    """A local engine that is killed after some shards."""

    def until():
        for done, chunk in enumerate(chunks):
            if done == after:
                raise KeyboardInterrupt
            yield chunk

    local_engine(bundle, options, until(), shards, progress, workers=2)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits"])
def test_a_run_that_was_stopped_continues_to_the_same_table(
    archive, tree_bundle, tmp_path, suffix, monkeypatch
):
    run(archive, tmp_path / f"whole{suffix}", tree_bundle)
    output = tmp_path / f"out{suffix}"
    with pytest.raises(KeyboardInterrupt):
        run(archive, output, tree_bundle, partial(dying_engine, after=5))
    shards = tmp_path / f"out{suffix}.shards"
    done = {path.name: path.stat().st_mtime_ns for path in shards.glob("*.parquet")}
    assert 1 <= len(done) < 7
    (shards / ".00000006.parquet.123").write_bytes(b"half a shard")
    assert not output.exists()
    made = []
    write = Shards.write
    monkeypatch.setattr(
        Shards, "write", lambda self, n, table: (made.append(n), write(self, n, table))
    )
    run(archive, output, tree_bundle)
    assert len(made) == 7 - len(done)
    assert output.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()


@pytest.mark.slow
def test_a_process_killed_at_any_moment_loses_no_galaxy(archive, tree_bundle, tmp_path):
    run(archive, tmp_path / "whole.parquet", tree_bundle)
    script = """if True:
        import sys, time
        from functools import partial
        from pathlib import Path
        from galaxies.classifying import engines, job
        from galaxies.classifying.shards import Shards
        job.SHARD, engines.BATCH = 6, 4
        write = Shards.write
        def slowly(self, number, table):
            time.sleep(0.15)
            write(self, number, table)
        Shards.write = slowly
        archive, output, bundle = sys.argv[1:]
        engine = partial(engines.local_engine, workers=2)
        job.run_job([archive], Path(output), Path(bundle), engine)
    """
    output = tmp_path / "out.parquet"
    command = [sys.executable, "-c", script, str(archive), str(output), str(tree_bundle)]
    shards, seen = tmp_path / "out.parquet.shards", 0
    for _ in range(3):
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            while len(list(shards.glob("*.parquet"))) < seen + 1 and process.poll() is None:
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
        assert not output.exists()
        seen = len(list(shards.glob("*.parquet")))
        assert seen
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not shards.exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda bundle, archive: (bundle, archive, Options(views=8)), "other options"),
        (lambda bundle, archive: (bundle, archive, Options(agreement=0.9)), "other options"),
        (lambda bundle, archive: (bundle, archive, Options(campaign="kaggle")), "other options"),
        (lambda bundle, archive: (bundle, archive, Options(anyway=True)), "other options"),
        (lambda bundle, archive: (bundle, touched(archive), Options()), "another input"),
        (lambda bundle, archive: (retrained(bundle), archive, Options()), "another bundle"),
    ],
)  # fmt: skip
def test_shards_of_another_job_are_not_mixed_in(archive, tree_bundle, tmp_path, change, expected):
    mine = tmp_path / "mine.zip"
    mine.write_bytes(archive.read_bytes())
    output = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        run_job([str(mine)], output, tree_bundle, partial(dying_engine, after=3))
    before = sorted((tmp_path / "out.parquet.shards").iterdir())
    other, mine, options = change(tree_bundle, mine)
    with pytest.raises(GalaxiesError, match=rf"out.parquet.shards: started with {expected}"):
        run_job([str(mine)], output, other, LOCAL, options)
    assert sorted((tmp_path / "out.parquet.shards").iterdir()) == before
    run_job([str(mine)], output, other, LOCAL, options, overwrite=True)
    run_job([str(mine)], tmp_path / "fresh.parquet", other, LOCAL, options)
    assert output.read_bytes() == (tmp_path / "fresh.parquet").read_bytes()


def touched(path):
    os.utime(path, (1, 1))
    return path


def retrained(folder):
    copy = folder.parent / "retrained"
    copy.mkdir(exist_ok=True)
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    content = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(content | {"galaxies": 81}))
    return copy


def test_an_output_that_exists_is_kept(archive, tree_bundle, tmp_path):
    output = tmp_path / "out.csv"
    output.write_text("mine")
    with pytest.raises(GalaxiesError, match=r"out.csv: exists; --overwrite replaces it"):
        run(archive, output, tree_bundle)
    assert output.read_text() == "mine"
    with pytest.raises(KeyboardInterrupt):
        run(archive, output, tree_bundle, partial(dying_engine, after=2), overwrite=True)
    assert output.read_text() == "mine"
    run(archive, output, tree_bundle, overwrite=True)
    assert len(pd.read_csv(output)) == 40


def test_a_folder_that_holds_other_files_is_no_place_for_shards(archive, tree_bundle, tmp_path):
    mine = tmp_path / "thesis"
    (mine / "figures").mkdir(parents=True)
    (mine / "00000000.parquet").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(GalaxiesError, match=r"thesis: contains other files, such as '00000000"):
            run(archive, tmp_path / "a.csv", tree_bundle, shards=str(mine), overwrite=overwrite)
    assert (mine / "00000000.parquet").read_text() == "mine"
    with pytest.raises(GalaxiesError, match=r"00000000.parquet: is a file; give a new or empty"):
        run(archive, tmp_path / "a.csv", tree_bundle, shards=str(mine / "00000000.parquet"))


def test_shards_may_lie_in_a_bucket(archive, tree_bundle, tmp_path):
    run(archive, tmp_path / "whole.parquet", tree_bundle)
    bucket, output = "memory://bucket/shards", tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        run(archive, output, tree_bundle, partial(dying_engine, after=3), shards=bucket)
    memory, inside = filesystem(bucket)
    assert f"{inside}/job.json" in memory.find(inside)
    memory.pipe_file(f"{inside}/notes.txt", b"mine")
    run(archive, output, tree_bundle, shards=bucket)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert memory.find(inside) == [f"{inside}/notes.txt"]
    with pytest.raises(GalaxiesError, match=r"shards: contains other files, such as 'notes.txt'"):
        run(archive, tmp_path / "again.parquet", tree_bundle, shards=bucket)
    memory.rm(inside, recursive=True)


def test_what_others_put_beside_the_shards_is_left_there(archive, tree_bundle, tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    engine = partial(dying_engine, after=2)
    with pytest.raises(KeyboardInterrupt):
        run(archive, tmp_path / "a.csv", tree_bundle, engine, shards=str(shards))
    (shards / "notes.txt").write_text("mine")
    run(archive, tmp_path / "a.csv", tree_bundle, shards=str(shards))
    assert [path.name for path in shards.iterdir()] == ["notes.txt"]


def test_an_output_that_exists_is_kept_beside_an_empty_folder_or_another_job(
    archive, tree_bundle, tmp_path
):
    shards, output = tmp_path / "shards", tmp_path / "out.csv"
    shards.mkdir()
    output.write_text("mine")
    with pytest.raises(GalaxiesError, match="--overwrite replaces it"):
        run(archive, output, tree_bundle, shards=str(shards))
    engine = partial(dying_engine, after=2)
    with pytest.raises(KeyboardInterrupt):
        run(archive, tmp_path / "a.csv", tree_bundle, engine, shards=str(shards))
    with pytest.raises(GalaxiesError, match="--overwrite replaces it"):
        run(archive, output, tree_bundle, shards=str(shards))
    assert output.read_text() == "mine"


def test_a_run_killed_after_its_table_was_whole_is_whole(
    archive, tree_bundle, tmp_path, monkeypatch
):
    def killed(self):
        raise KeyboardInterrupt

    output = tmp_path / "out.csv"
    monkeypatch.setattr(Shards, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        run(archive, output, tree_bundle)
    whole = output.read_bytes()
    monkeypatch.undo()
    monkeypatch.setattr(job, "SHARD", 6)
    run(archive, output, tree_bundle)
    assert output.read_bytes() == whole
    assert [path.name for path in tmp_path.glob("out*")] == ["out.csv"]


@pytest.mark.parametrize("content", [b"", b'{"format"', b"[1]", b"\xff"])
def test_a_damaged_note_of_the_job_is_named(archive, tree_bundle, tmp_path, content):
    with pytest.raises(KeyboardInterrupt):
        run(archive, tmp_path / "a.csv", tree_bundle, partial(dying_engine, after=2))
    (tmp_path / "a.csv.shards/job.json").write_bytes(content)
    with pytest.raises(GalaxiesError, match=r"job.json: damaged; remove the folder"):
        run(archive, tmp_path / "a.csv", tree_bundle)


def test_an_unknown_suffix_is_refused_before_any_work(archive, tree_bundle, tmp_path):
    with pytest.raises(GalaxiesError, match=r"out.txt: unknown suffix; possible are .parquet"):
        run(archive, tmp_path / "out.txt", tree_bundle)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_in_one_line_and_keeps_the_shards(
    archive, tree_bundle, tmp_path, monkeypatch
):
    output = tmp_path / "out.parquet"

    def full(self, path, value, **kwargs):
        if path.endswith(f".00000003.parquet.{os.getpid()}"):
            raise OSError(28, "No space left on device")
        return keep(self, path, value, **kwargs)

    local = type(filesystem(str(tmp_path))[0])
    keep = local.pipe_file
    monkeypatch.setattr(local, "pipe_file", full)
    with pytest.raises(
        GalaxiesError, match=r"00000003.parquet: No space left on device; finished work is kept"
    ):
        run(archive, output, tree_bundle)
    assert len(list((tmp_path / "out.parquet.shards").glob("*.parquet"))) == 3
    monkeypatch.undo()
    monkeypatch.setattr(job, "SHARD", 6)
    run(archive, output, tree_bundle)
    assert len(pd.read_parquet(output)) == 40


def test_a_damaged_shard_is_named(archive, tree_bundle, tmp_path):
    output = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        run(archive, output, tree_bundle, partial(dying_engine, after=4))
    (tmp_path / "out.parquet.shards/00000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(GalaxiesError, match=r"00000000.parquet: damaged shard .*remove it"):
        run(archive, output, tree_bundle)
    (tmp_path / "out.parquet.shards/00000000.parquet").unlink()
    run(archive, output, tree_bundle)
    assert len(pd.read_parquet(output)) == 40


@pytest.mark.parametrize("suffix", WITHOUT_POSITIONS)
def test_a_catalogues_columns_are_carried_through(images, tree_bundle, tmp_path, suffix):
    rows = ["id,path,ra,count,note"]
    for number, (name, data) in enumerate(list(images.items())[:8]):
        (tmp_path / f"{name}.jpg").write_bytes(data)
        rows.append(
            f"58772295276743945{number},{name}.jpg,{number}.5,{number or ''},caf\u00e9 {name}"
        )
    (tmp_path / "catalogue.csv").write_text("\n".join(rows), encoding="utf-8")
    output = tmp_path / f"out{suffix}"
    run(tmp_path / "catalogue.csv", output, tree_bundle)
    catalogue = read_catalogue(str(output))
    table = pa.concat_tables(catalogue.pieces()).to_pydict()
    assert list(table) == [*COLUMNS.names, "bundle", "ra", "count", "note"]
    assert catalogue.schema.field("galaxy_id").type == pa.int64()
    assert table["galaxy_id"] == [int(f"58772295276743945{number}") for number in range(8)]
    assert table["ra"] == [number + 0.5 for number in range(8)]
    assert catalogue.schema.field("count").type == pa.int64()
    assert table["count"] == [None, 1, 2, 3, 4, 5, 6, 7]
    assert table["note"][0] == ("caf\\xe9 g000" if ".fits" in suffix else "caf\u00e9 g000")
    assert all(0 <= p <= 1 for p in table["p_spiral"])
    assert table["bundle"] == [bundle_digest(tree_bundle)[:12]] * 8
    assert catalogue.metadata.get("bundle") == (
        None if ".csv" in suffix else bundle_digest(tree_bundle)
    )


def test_a_carried_column_does_not_hide_a_result(images, tree_bundle, tmp_path):
    (tmp_path / "a.jpg").write_bytes(images["g000"])
    (tmp_path / "catalogue.csv").write_text("id,path,label,bundle\n1,a.jpg,x,y\n")
    run(tmp_path / "catalogue.csv", tmp_path / "out.parquet", tree_bundle)
    [row] = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (row["input_label"], row["input_bundle"]) == ("x", "y")
    assert row["label"] in ("elliptical", "spiral")
    (tmp_path / "both.csv").write_text("id,path,label,input_label\n1,a.jpg,x,y\n")
    with pytest.raises(GalaxiesError, match="has a column 'input_label'; rename it"):
        run(tmp_path / "both.csv", tmp_path / "both.parquet", tree_bundle)


@pytest.mark.slow
def test_ids_of_a_catalogue_never_change(images, tree_bundle, tmp_path):
    for name, data in list(images.items())[:3]:
        (tmp_path / f"{name}.jpg").write_bytes(data)
    paths = ["g000.jpg", "g001.jpg", "g002.jpg"]

    def ids_after(ids, output):
        catalogue = pa.table({"id": ids, "path": paths})
        pq.write_table(catalogue, tmp_path / "catalogue.parquet")
        run(tmp_path / "catalogue.parquet", tmp_path / output, tree_bundle, overwrite=True)
        whole = pa.concat_tables(read_catalogue(str(tmp_path / output)).pieces(["galaxy_id"]))
        return whole["galaxy_id"].to_pylist()

    for suffix in WITHOUT_POSITIONS:
        words = ["NA", "null", "None"]
        assert ids_after(words, f"words{suffix}") == words
        large = pa.array([2**64 - 1, 2**63, 0], pa.uint64())
        expected = large.to_pylist()
        if ".vot" in suffix:  # which has no unsigned integers
            expected = list(map(str, expected))
        assert ids_after(large, f"large{suffix}") == expected
        sdss = [587722981741363323, 587722981741363325, -7]
        assert ids_after(sdss, f"sdss{suffix}") == sdss


def test_ids_that_a_format_cannot_hold_are_refused_and_work_is_kept(images, tree_bundle, tmp_path):
    for name in ("g000", "g001"):
        (tmp_path / f"{name}.jpg").write_bytes(images[name])
    (tmp_path / "a.csv").write_text("id,path\n\u00e9,g000.jpg\n\u00e8,g001.jpg\n", encoding="utf-8")
    expected = (
        r"galaxy_id '\u00e9' has letters that FITS cannot hold; write .*another -o with --shards"
    )
    with pytest.raises(GalaxiesError, match=expected):
        run(tmp_path / "a.csv", tmp_path / "a.fits", tree_bundle)
    shards = tmp_path / "a.fits.shards"
    done = sorted(path.stat().st_mtime_ns for path in shards.glob("*.parquet"))
    seen = []

    def engine(bundle, options, chunks, shards, progress):
        seen.extend(chunks)

    run(tmp_path / "a.csv", tmp_path / "a.vot", tree_bundle, engine, shards=str(shards))
    assert done
    assert not seen
    [table] = read_catalogue(str(tmp_path / "a.vot")).pieces(["galaxy_id"])
    assert table["galaxy_id"].to_pylist() == ["\u00e9", "\u00e8"]


def test_tables_of_hugging_face_keep_ids_and_columns(images, tree_bundle, tmp_path):
    (tmp_path / "data").mkdir()
    for shard in range(2):
        cells = [{"bytes": images[f"g00{2 * shard + n}"], "path": None} for n in range(2)]
        table = pa.table(
            {"image": cells, "id_str": [f"J{shard}{n}" for n in range(2)], "ra": [1.5, 2.5],
             "label": [0, 1]}
        )  # fmt: skip
        pq.write_table(table, tmp_path / f"data/train-0000{shard}-of-00002.parquet")
    run(tmp_path / "data", tmp_path / "out.parquet", tree_bundle)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["galaxy_id"].to_pylist() == ["J00", "J01", "J10", "J11"]
    assert table["ra"].to_pylist() == [1.5, 2.5] * 2
    assert table["input_label"].to_pylist() == [0, 1] * 2
    assert table["error"].null_count == 4


def test_columns_of_other_names(images, tree_bundle, tmp_path):
    (tmp_path / "g.jpg").write_bytes(images["g000"])
    (tmp_path / "a.csv").write_text("iauname,cutout,id\nJ1,g.jpg,9\n")
    with pytest.raises(GalaxiesError, match=r"one of files \(path, file_loc, filename, or"):
        run(tmp_path / "a.csv", tmp_path / "a.parquet", tree_bundle)
    names = ColumnNames("iauname", "cutout")
    run(tmp_path / "a.csv", tmp_path / "a.parquet", tree_bundle, names=names)
    [row] = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert (row["galaxy_id"], row["id"]) == ("J1", 9)


def test_inputs_of_several_kinds_make_one_table(images, archive, tree_bundle, tmp_path):
    (tmp_path / "single.jpg").write_bytes(images["g005"])
    (tmp_path / "catalogue.csv").write_text("id,path,ra\n7,single.jpg,1.5\n")
    inputs = [tmp_path / "single.jpg", archive, tmp_path / "catalogue.csv"]
    run(inputs, tmp_path / "out.parquet", tree_bundle)
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert table["galaxy_id"].tolist() == ["single", *images, "7"]
    assert table["ra"].notna().tolist() == [False] * 41 + [True]
    assert table["p_spiral"].iloc[[0, 41]].tolist() == [table["p_spiral"][6]] * 2


def test_batches_do_not_change_the_answers(images, archive, tree_bundle, tmp_path, monkeypatch):
    run(archive, tmp_path / "a.parquet", tree_bundle)
    monkeypatch.setattr(job, "SHARD", 4096)
    monkeypatch.setattr(engines, "BATCH", 256)
    run(archive, tmp_path / "b.parquet", tree_bundle, partial(local_engine, workers=1))
    a, b = (pd.read_parquet(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    pd.testing.assert_frame_equal(a, b)


def test_the_python_interface_takes_images_of_any_kind(images, tree_bundle, tmp_path):
    path = tmp_path / "587722952767439450.jpg"
    path.write_bytes(images["g003"])
    frame = decode_image(images["g003"])
    model = galaxies.load(tree_bundle)
    table = model.classify([path, str(path), images["g003"], frame, np.asarray(frame), b"text"])
    assert list(table.columns) == COLUMNS.names
    assert table["galaxy_id"].tolist() == [path.stem, path.stem, "2", "3", "4", "5"]
    assert len(set(table["p_spiral"][:5])) == 1
    assert table["error"][5] == "is not a JPEG or PNG"
    assert table["p_spiral"].isna().tolist() == [False] * 5 + [True]
    assert len(model.classify([])) == 0
    with pytest.raises(
        GalaxiesError, match=r"image 1: must be uint8 or uint16 .*, got float64 \(4, 4\)"
    ):
        model.classify([frame, np.zeros((4, 4))])
    grey = model.classify([frame.convert("L")])
    assert grey["error"].isna().all()


def test_one_image_or_the_path_of_many_can_be_given(images, archive, tree_bundle, tmp_path):
    path = tmp_path / "g003.jpg"
    path.write_bytes(images["g003"])
    frame = decode_image(images["g003"])
    model = galaxies.load(tree_bundle)
    expected = model.classify([images["g003"]])["p_spiral"][0]
    singles = (path, str(path), images["g003"], frame, np.asarray(frame), (one for one in [path]))
    for one in singles:
        assert model.classify(one)["p_spiral"].tolist() == [expected]
    for many in (archive, str(archive), tmp_path):
        table = model.classify(many).set_index("galaxy_id")
        assert table["p_spiral"]["g003"] == expected
    many = np.stack([np.asarray(frame)] * 2)
    assert model.classify(many)["p_spiral"].tolist() == [expected] * 2
    assert model.classify(pd.Series([path], index=[7]))["p_spiral"].tolist() == [expected]
    for wrong, said in (
        (pd.DataFrame({"path": [path]}), "cannot classify a DataFrame; give images"),
        ({"path": path}, "cannot classify a dict"),
        (None, "cannot classify a NoneType"),
        ([path, None], "image 1: cannot read a NoneType"),
        ("nothing.zip", "nothing.zip: no such file"),
    ):
        with pytest.raises(GalaxiesError, match=said):
            model.classify(wrong)


def test_a_frame_without_a_galaxy_is_never_decided(images, tree_bundle):
    frame = np.asarray(decode_image(images["g003"])).copy()
    frame[len(frame) // 2 :] = 255
    model = galaxies.load(tree_bundle)
    blank = np.zeros((60, 60, 3), np.uint8)
    table = model.classify([frame, blank, blank + 255, images["g003"]])
    assert table["decision"].isna().tolist() == [True, True, True, False]
    assert table["error"].str.startswith("is blank").tolist()[:3] == [True] * 3
    assert model.prepare(blank, blank_too=True).max() == 0


@pytest.mark.slow
def test_a_loaded_model_can_be_sent_to_other_processes(images, tree_bundle, monkeypatch):
    monkeypatch.chdir(tree_bundle.parent)
    model = galaxies.load(tree_bundle.name, agreement=0.8)
    some = [images["g003"], images["g004"]]
    expected = model.classify(some)
    monkeypatch.chdir("/")
    copy = pickle.loads(pickle.dumps(model))
    assert copy.promise == model.promise
    pd.testing.assert_frame_equal(copy.classify(some), expected)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pd.testing.assert_frame_equal(pool.submit(model.classify, some).result(), expected)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_fits_files_are_known_by_their_first_bytes(tree_bundle, pack):
    y, x = np.mgrid[:48, :48] - 23.5
    glow = np.stack([0.02 + 0.4 * np.exp(-np.hypot(x, y) / 6)] * 3)
    file = io.BytesIO()
    fits.PrimaryHDU(glow).writeto(file)
    classifier = galaxies.load(tree_bundle)
    table = classifier.classify([pack(file.getvalue()), decode_fits(file.getvalue())])
    assert table["error"].isna().all()
    assert len(set(table["p_spiral"])) == 1


def test_only_a_bundle_is_loaded(tmp_path):
    with pytest.raises(GalaxiesError, match="not a bundle"):
        galaxies.load(tmp_path)


def test_the_classifier_can_be_asked_for_a_single_batch(images, tree_bundle):
    table = Classifier(tree_bundle).classify_batch([])
    assert table.schema == COLUMNS
    assert len(table) == 0
    assert len(Classifier(tree_bundle).classify([])) == 0
