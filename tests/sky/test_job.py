"""From positions to classes in one command: what comes out, whatever interrupts it."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from galaxies.cli import app
from galaxies.cli.classify import UNREADABLE
from galaxies.sky.writing import PROVENANCE, member_name
from stand_ins import serving
from tests.conftest import ROOT

FAULTS = {13: "missing", 17: "html", 19: "blank", 23: "placeholder", 29: "placeholder"}
REASONS = {
    13: "outside the footprint (HTTP 404)",
    17: "a web page instead of an image",
    19: "outside the footprint (a blank image)",
    23: "a placeholder: the same image came for other positions",
    29: "a placeholder: the same image came for other positions",
}


def write_positions(path, number=24):
    """Positions with an 18-digit ID, right ascension from 10, a radius and a redshift."""
    rows = ["objID,ra,dec,petroR90_r,z"]
    for n in range(number):
        rows.append(f"{587722952767439450 + n},{10 + n},{n / 7:.4f},{5 + n % 9},{n / 100}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def images(service):
    return f"sdss@{service.address}"


def test_cutouts_writes_an_archive_and_a_table(tmp_path):
    table = write_positions(tmp_path / "p.csv")
    with serving(lambda ra, turn: FAULTS.get(ra)) as service:
        done = run("cutouts", table, "-o", tmp_path / "c.zip", "--images", images(service),
                   "--rate", 500)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "c.zip: 19 of 24 galaxies cut out" in done.output
    assert "2: a placeholder: the same image came for other positions" in done.output
    rows = pd.read_parquet(tmp_path / "c.parquet").set_index("ra")
    assert rows["error"].dropna().to_dict() == REASONS
    assert rows["galaxy_id"].tolist() == pd.read_csv(table, dtype=str)["objID"].tolist()
    assert rows["z"].tolist() == pd.read_csv(table)["z"].tolist()
    row = rows.loc[12]
    assert [row[name] for name in PROVENANCE.names[:3]] == ["sdss", "dr17", "gri"]
    assert row["cutout_scale"] == pytest.approx(0.02 * row["petroR90_r"])
    assert (row["cutout_radius"], row["cutout_radius_from"]) == (7, "petroR90_r")
    assert row["cutout_date"].startswith("20")
    with zipfile.ZipFile(tmp_path / "c.zip") as archive:
        names = archive.namelist()
        assert names == [f"{one}.jpg" for one in rows["galaxy_id"][rows["error"].isna()]]
        assert Image.open(io.BytesIO(archive.read(names[0]))).size == (424, 424)


def test_in_one_go_and_in_two_the_classes_are_the_same(tmp_path, tree_bundle):
    table = write_positions(tmp_path / "p.csv")
    with serving(lambda ra, turn: FAULTS.get(ra)) as service:
        options = ["--images", images(service), "--rate", 500]
        done = run("classify", table, "-o", tmp_path / "a.parquet", "--model", tree_bundle,
                   "--agreement", 0.9, *options)  # fmt: skip
        assert done.exit_code == UNREADABLE, done.output
        run("cutouts", table, "-o", tmp_path / "c.zip", *options)
    done = run("classify", tmp_path / "c.zip", "-o", tmp_path / "b.parquet", "--model", tree_bundle,
               "--agreement", 0.9)  # fmt: skip
    assert done.exit_code == 0, done.output
    one_go = pd.read_parquet(tmp_path / "a.parquet")
    assert one_go.set_index("ra")["error"].dropna().to_dict() == REASONS
    assert one_go.columns[-11:].tolist() == ["ra", "dec", "petroR90_r", "z", *PROVENANCE.names]
    two = pd.read_parquet(tmp_path / "b.parquet")
    answers = ["galaxy_id", "p_spiral", "label", "decision"]
    readable = one_go[one_go["error"].isna()].reset_index(drop=True)
    pd.testing.assert_frame_equal(readable[answers].astype({"galaxy_id": str}), two[answers])


def test_no_fault_becomes_a_classified_galaxy(tmp_path, tree_bundle):
    kinds = ["missing", "html", "empty", "cut", "small", "blank", "outside", "fits", "moved"]
    table = write_positions(tmp_path / "p.csv", 60)
    with serving(lambda ra, turn: kinds[int(ra) % 9] if ra < 40 else None) as service:
        service.fault = lambda ra, turn: (
            "html" if np.isnan(ra) else kinds[int(ra) % 9] if ra < 40 else None
        )
        run("classify", table, "-o", tmp_path / "t.parquet", "--model", tree_bundle,
            "--images", images(service), "--rate", 1000)  # fmt: skip
    rows = pd.read_parquet(tmp_path / "t.parquet")
    faulty = rows["ra"] < 40
    assert rows.loc[faulty, ["p_spiral", "label", "decision"]].isna().all(axis=None)
    assert rows.loc[faulty, "error"].notna().all()
    assert rows.loc[~faulty, "p_spiral"].notna().all()


def start(*words, cache):
    command = [sys.executable, "-m", "galaxies.cli", *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(cache), "GALAXIES_CONTACT": "me@here.org"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_killed_and_run_again_gives_identical_bytes(tmp_path, monkeypatch):
    table = write_positions(tmp_path / "p.csv", 150)
    with serving(lambda ra, turn: FAULTS.get(ra), latency=0.02) as service:
        words = ["cutouts", table, "--images", images(service), "--rate", 60]
        process = start(*words, "-o", tmp_path / "a.zip", cache=tmp_path / "first")
        while sum(service.asked.values()) < 90 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "a.zip").exists()
        killed_after = sum(service.asked.values())
        process = start(*words, "-o", tmp_path / "a.zip", cache=tmp_path / "first")
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
        # A kill costs a second of requests at most, and those that were under way.
        assert sum(service.asked.values()) < 150 + 2 + 60 + 30 + (killed_after - 90)
        # In this process, with a cache of its own, and at once.
        monkeypatch.setenv("GALAXIES_CONTACT", "me@here.org")
        done = run(*words[:-1], 500, "-o", tmp_path / "b.zip")
        assert done.exit_code == 0, done.output
    for suffix in ("zip", "parquet"):
        first, second = (tmp_path / f"{name}.{suffix}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_ctrl_c_ends_at_once(tmp_path):
    table = write_positions(tmp_path / "p.csv", 100)
    with serving() as service:
        process = start("cutouts", table, "-o", tmp_path / "a.zip", "--images", images(service),
                        "--rate", 5, cache=tmp_path / "cache")  # fmt: skip
        while sum(service.asked.values()) < 8 and process.poll() is None:
            time.sleep(0.05)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()
    assert time.monotonic() - begun < 10
    assert b"Traceback" not in errors


def test_a_dry_run_makes_nothing_and_asks_nothing(service, tmp_path):
    table = write_positions(tmp_path / "p.csv", 300)
    done = run("cutouts", table, "-o", tmp_path / "c.zip", "--images", images(service), "--dry-run")
    assert "at most 300, at 5 a second: 1.0 minutes" in done.output
    assert not service.asked
    assert not (tmp_path / "c.zip").exists()


def test_right_ascensions_that_may_be_hours_are_pointed_out(tmp_path):
    table = write_positions(tmp_path / "p.csv", 12)
    done = run("cutouts", table, "-o", tmp_path / "c.zip", "--dry-run")
    assert "no right ascension is above 24" in done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cutouts", "{p}", "-o", "{d}/c.tar"], "must end in .zip"),
        (["cutouts", "{p}", "-o", "{d}/there.zip"], "there.zip: exists"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--rate", "0"], "--rate 0: must be more than 0"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--rate", "nan"], "--rate nan: must be more than 0"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--radius", "0"], "--radius 0: must be more than 0"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--radius", "-3"], "--radius -3: must be more"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--radius", "inf"], "--radius inf: must be more"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--contact", "Łukasz"], "--contact Łukasz: give an"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--contact", "a@b\nX: y"], "--contact"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--images", "jwst"], "no such service"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--images", "local"], "name the folder"),
        (["cutouts", "{p}", "-o", "{d}/c.zip", "--radius-column", "r"], "no such column"),
        (["classify", "{p}", "{p}", "-o", "{d}/c.csv", "--images", "sdss"], "one table"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, says, tmp_path):
    table = write_positions(tmp_path / "p.csv", 3)
    (tmp_path / "there.zip").write_bytes(b"")
    done = run(*[word.format(p=table, d=tmp_path) for word in words])
    assert done.exit_code == 1
    assert says in str(done.exception)


def test_a_column_with_the_name_of_a_result_is_refused_before_anything_is_asked(service, tmp_path):
    (tmp_path / "p.csv").write_text("id,ra,dec,cutout_scale\n1,2,3,4\n", encoding="utf-8")
    for command, output in (("cutouts", "c.zip"), ("classify", "c.csv")):
        done = run(command, tmp_path / "p.csv", "-o", tmp_path / output, "--images",
                   images(service))  # fmt: skip
        assert "'cutout_scale' has the name of a result" in str(done.exception)
    assert not service.asked


@pytest.mark.parametrize("images", ["sdss", "legacy", "hips"])
def test_another_surveys_images_are_left_to_people_unless_they_are_familiar(
    images, service, tmp_path, tree_bundle
):
    table = write_positions(tmp_path / "p.csv", 12)
    words = ["classify", table, "--model", tree_bundle, "--agreement", 0.9, "--rate", 500,
             "--images", f"{images}@{service.address}", "-o"]  # fmt: skip
    assert run(*words, tmp_path / "a.parquet").exit_code == 0
    rows = pd.read_parquet(tmp_path / "a.parquet")
    decided = rows["decision"] != "ask volunteers"
    assert decided.any() == (images == "sdss")
    run(*words, tmp_path / "b.parquet", "--decide-anyway")
    assert (pd.read_parquet(tmp_path / "b.parquet")["decision"] != "ask volunteers").any()


def test_an_id_with_a_slash_is_no_folder():
    assert member_name("NGC 4038/39") == "NGC 4038%2F39.jpg"
    assert member_name("J123049.42+122328.0") == "J123049.42+122328.0.jpg"
    assert member_name("../../etc/passwd") == "..%2F..%2Fetc%2Fpasswd.jpg"
