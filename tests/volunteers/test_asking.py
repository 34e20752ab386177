"""Subject sets: what is chosen, what is written, and what is refused."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from galaxies.classifying.options import bundle_digest
from galaxies.classifying.provenance import made_by
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError, decode_image
from galaxies.tables.writing import write_table
from galaxies.volunteers.choosing import AUDIT, choose_galaxies, most_different
from galaxies.volunteers.classes import read_classes
from galaxies.volunteers.manifest import MANIFEST_COLUMNS, read_manifest
from galaxies.volunteers.subjects import LARGEST_JPEG, Asked, as_jpeg, ask
from tests.conftest import draw_galaxy, encode

OPTIONS = {"number": 10, "choose": "uncertain", "audit_share": 0.2, "seed": 3}
SUMS = "c2a1" * 16
HEADER = ",".join(MANIFEST_COLUMNS) + "\n"


def table_of(p, **columns):
    """A table of classes in which the machine decides what is clear."""
    p = np.asarray(p, np.float32)
    ids = [str(100 + place) for place in range(len(p))]
    decided = np.where(p > 0.5, "spiral", "elliptical")
    decision = np.where(np.abs(p - 0.5) > 0.3, decided, "ask volunteers")
    frame = pd.DataFrame(
        {"galaxy_id": ids, "p_spiral": p, "spread": p * (1 - p), "decision": decision}
    )
    return frame.assign(**columns)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Forty drawn galaxies as files, and their classes."""
    folder = tmp_path_factory.mktemp("asking")
    random = np.random.default_rng(4)
    (folder / "images").mkdir()
    table = table_of(random.random(40))
    for galaxy_id in table["galaxy_id"]:
        (folder / f"images/{galaxy_id}.jpg").write_bytes(encode(draw_galaxy(random, False, 32)))
    write_classes(folder / "classes.parquet", table)
    return folder


def write_classes(path, table, bundle=SUMS):
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    schema = arrow.schema.with_metadata({"bundle": bundle} if bundle else None)
    write_table(path, schema, lambda: iter([arrow.cast(schema)]))
    return path


def make(folder, output, inputs=None, **changes):
    inputs = inputs or [str(folder / "images")]
    return ask(folder / "classes.parquet", inputs, output, **OPTIONS | changes)


def rows(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_subject_set_has_an_image_and_a_row_for_each_galaxy(survey, tmp_path):
    assert make(survey, tmp_path / "subjects") == Asked(batch=1, chosen=8, audited=2)
    found = rows(tmp_path / "subjects")
    table = pd.read_parquet(survey / "classes.parquet").set_index("galaxy_id")
    assert list(found[0]) == list(MANIFEST_COLUMNS)
    for row in found:
        galaxy = table.loc[row["#galaxy_id"]]
        image = (tmp_path / "subjects" / row["#image"]).read_bytes()
        assert image == (survey / f"images/{row['#galaxy_id']}.jpg").read_bytes()
        assert float(row["#p_spiral"]) == pytest.approx(galaxy["p_spiral"], abs=1e-6)
        assert (row["#chosen"] == AUDIT) == (galaxy["decision"] != "ask volunteers")
        assert (row["#batch"], row["#bundle"]) == ("1", SUMS)
    asked = table[table["decision"] == "ask volunteers"]["p_spiral"].sub(0.5).abs()
    chosen = {row["#galaxy_id"] for row in found if row["#chosen"] == "uncertain"}
    assert chosen == set(asked.nsmallest(8).index)
    assert len(list((tmp_path / "subjects").iterdir())) == 11


def classified(folder):
    command = ["classify", str(folder / "images"), "-o", str(folder / "real.parquet")]
    done = CliRunner().invoke(app, [*command, "--decide-anyway", "--agreement", "0.9"])
    assert done.exit_code == 0, done.output
    return folder / "real.parquet"


def test_other_pictures_under_the_same_ids_are_refused(survey, tmp_path):
    shutil.copytree(survey / "images", tmp_path / "images")
    table, paths = classified(tmp_path), sorted((tmp_path / "images").iterdir())
    inputs = [str(tmp_path / "images")]
    changes = {"choose": "random", "audit_share": 0.5}
    assert ask(table, inputs, tmp_path / "a/subjects", **OPTIONS | changes).checked
    for path in paths:
        Image.open(path).save(path, "JPEG", quality=95)  # the same frame, compressed again
    assert ask(table, inputs, tmp_path / "c/subjects", **OPTIONS | changes).checked
    pictures = [path.read_bytes() for path in paths]
    for path, other in zip(paths, pictures[1:] + pictures[:1], strict=True):
        path.write_bytes(other)
    with pytest.raises(GalaxiesError, match=r"picture of galaxy '\d+' is not the one in the table"):
        ask(table, inputs, tmp_path / "b/subjects", **OPTIONS | changes)
    assert not (tmp_path / "b/subjects").exists()


def test_pictures_that_cannot_be_compared_are_mentioned(survey, tmp_path):
    command = ["ask", str(survey / "classes.parquet"), str(survey / "images"), "-o"]
    done = CliRunner().invoke(app, [*command, str(tmp_path / "a"), "--number", "4"])
    assert "The pictures were not compared with the table" in done.output


def test_zooniverses_program_finds_one_file_in_each_row(survey, tmp_path, monkeypatch):
    make(survey, tmp_path / "subjects", number=40, audit_share=0.5)
    # As panoptes-cli looks for them, from the folder and from above it.
    for root in ("", "subjects"):
        monkeypatch.chdir(tmp_path / ("" if root else "subjects"))
        for row in rows(tmp_path / "subjects"):
            found = [cell for cell in row.values() if Path(root, cell).exists()]
            assert found == [row["#image"]]
            assert "" not in row.values()  # which stands for the folder


@pytest.mark.parametrize("choose", ["uncertain", "diverse", "random"])
def test_the_same_command_makes_the_same_bytes(survey, tmp_path, choose):
    def made(name, **changes):
        make(survey, tmp_path / name, choose=choose, **changes)
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    first = made("parent-a/subjects")
    assert made("parent-b/subjects", workers=3) == first
    other = made("parent-c/subjects", seed=4)
    assert other.keys() != first.keys()


@pytest.mark.parametrize("choose", ["uncertain", "diverse", "random"])
def test_no_galaxy_is_asked_about_twice(survey, tmp_path, choose):
    folders, seen = [], Counter()
    while len(seen) < 40:
        folder = tmp_path / f"subjects-{len(folders) + 1}"
        made = make(survey, folder, choose=choose, audit_share=0.5, earlier=folders)
        assert made.batch == len(folders) + 1
        folders.append(folder)
        seen.update(subject.galaxy_id for subject in read_manifest(folder))
    folder = tmp_path / "last"
    with pytest.raises(GalaxiesError, match="no galaxy to ask about but the 40 of earlier batch"):
        make(survey, folder, choose=choose, audit_share=0.5, earlier=folders)
    assert len(seen) == 40
    assert set(seen.values()) == {1}
    assert not folder.exists()


def test_a_forgotten_batch_beside_the_output_is_named(survey, tmp_path):
    make(survey, tmp_path / "subjects")
    with pytest.raises(
        GalaxiesError, match=r"subjects: already asks about .* add --earlier .*subjects"
    ):
        make(survey, tmp_path / "subjects-2")
    make(survey, tmp_path / "elsewhere/subjects-2")


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60),
    st.integers(1, 30),
    st.floats(0, 1),
    st.sampled_from(["uncertain", "diverse", "random"]),
    st.integers(1, 60),
)
def test_choices_keep_their_number_and_do_not_depend_on_the_pieces(p, number, share, choose, cut):
    table = table_of(p)
    options = {"choose": choose, "audit_share": share, "seed": 5, "asked": {"101"}}
    chosen = choose_galaxies([table], number, **options)
    pieces = [table[:cut].reset_index(drop=True), table[cut:].reset_index(drop=True)]
    pd.testing.assert_frame_equal(chosen, choose_galaxies(pieces, number, **options))
    audited = round(number * share)
    undecided = (table["decision"] == "ask volunteers") & (table["galaxy_id"] != "101")
    decided = (table["decision"] != "ask volunteers") & (table["galaxy_id"] != "101")
    counts = chosen["chosen"].value_counts()
    assert counts.get(AUDIT, 0) == min(audited, decided.sum())
    assert counts.get(choose, 0) == min(number - audited, undecided.sum())
    assert chosen["galaxy_id"].is_unique
    assert "101" not in set(chosen["galaxy_id"])


def test_every_galaxy_is_as_likely_to_be_drawn():
    table = table_of(np.full(20, 0.99))
    drawn = Counter()
    for seed in range(300):
        options = {"choose": "random", "audit_share": 1, "seed": seed, "asked": ()}
        drawn.update(choose_galaxies([table], 5, **options)["galaxy_id"])
    assert len(drawn) == 20
    assert all(45 < times < 110 for times in drawn.values())  # 75 ± 7.5


def test_diverse_galaxies_cover_more_than_uncertain_ones():
    table = table_of(np.random.default_rng(1).random(3000))
    options = {"audit_share": 0, "seed": 0, "asked": ()}
    spans = {
        choose: np.ptp(choose_galaxies([table], 20, choose=choose, **options)["p_spiral"])
        for choose in ("uncertain", "diverse")
    }
    assert spans["diverse"] > 0.55
    assert spans["uncertain"] < 0.1


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.data())
def test_the_next_point_is_always_the_farthest(values, data):
    points = np.array(values, float)[:, None]
    number = data.draw(st.integers(1, len(points)))
    chosen = most_different(points, number, data.draw(st.integers(0, len(points) - 1)))
    assert len(set(chosen.tolist())) == number
    for turn in range(1, number):
        gaps = np.abs(points - points[chosen[:turn], 0]).min(axis=1)
        assert gaps[chosen[turn]] == gaps.max()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits"])
def test_all_tables_of_classify_are_read(tmp_path, tree_bundle, tiny_survey, suffix):
    classes, images = tmp_path / f"classes{suffix}", tiny_survey / "images_training_rev1.zip"
    command = ["classify", str(images), "-o", str(classes), "--model", str(tree_bundle)]
    assert CliRunner().invoke(app, [*command, "--views", "8", "--agreement", "0.9"]).exit_code == 0
    known = bundle_digest(tree_bundle)
    assert made_by(classes) == (known[:12] if suffix == ".csv" else known)
    frame = pd.concat(read_classes(classes))
    assert frame["p_spiral"].between(0, 1).all()
    assert (frame["spread"] > 0).any()
    command = ["ask", str(classes), str(images), "-o", str(tmp_path / "subjects"), "--number", "9"]
    done = CliRunner().invoke(app, [*command, "--model", str(tree_bundle)])
    assert done.exit_code == 0, done.output
    assert "batch 1, 9 galaxies: 8 that need people, 1 for an audit" in done.output
    found = rows(tmp_path / "subjects")
    assert {row["#bundle"] for row in found} == {known}
    said = frame.set_index("galaxy_id")["p_spiral"]
    assert all(abs(said[row["#galaxy_id"]] - float(row["#p_spiral"])) < 1e-5 for row in found)


def test_a_table_that_names_no_bundle_is_taken(survey, tmp_path):
    write_classes(tmp_path / "classes.csv", pd.read_parquet(survey / "classes.parquet"))
    ask(tmp_path / "classes.csv", [str(survey / "images")], tmp_path / "subjects", **OPTIONS)
    assert {row["#bundle"] for row in rows(tmp_path / "subjects")} == {"unknown"}


def test_a_table_of_another_bundle_is_refused(survey, tmp_path, tree_bundle):
    with pytest.raises(GalaxiesError, match="made by another bundle") as caught:
        make(survey, tmp_path / "subjects", bundle=tree_bundle)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "subjects").exists()


def test_images_of_all_kinds_become_jpegs_that_zooniverse_takes(tmp_path):
    random = np.random.default_rng(5)
    galaxy = draw_galaxy(random, True, 64)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/100.jpg").write_bytes(encode(galaxy))
    (tmp_path / "images/101.png").write_bytes(encode(galaxy, format="PNG"))
    fits.PrimaryHDU(galaxy.astype(float).sum(axis=2)).writeto(tmp_path / "images/102.fits")
    noise = random.integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    (tmp_path / "images/103.jpg").write_bytes(encode(noise, quality=95))
    write_classes(tmp_path / "classes.parquet", table_of([0.5] * 4))
    make(tmp_path, tmp_path / "subjects", audit_share=0, number=4)
    sizes = {}
    for row in rows(tmp_path / "subjects"):
        data = (tmp_path / "subjects" / row["#image"]).read_bytes()
        assert data.startswith(b"\xff\xd8\xff")
        assert len(data) <= LARGEST_JPEG
        sizes[row["#galaxy_id"]] = decode_image(data).size
    assert (tmp_path / "subjects/100.jpg").read_bytes() == encode(galaxy)
    assert [sizes["100"], sizes["101"], sizes["102"]] == [(64, 64)] * 3
    assert 700 < sizes["103"][0] <= 1500


def test_a_jpeg_that_is_cut_off_is_no_subject():
    with pytest.raises(UnreadableImageError):
        as_jpeg(encode(draw_galaxy(np.random.default_rng(1), True))[:900])
    frame = Image.new("L", (40, 20))
    assert decode_image(as_jpeg(frame)).size == (40, 20)


def test_names_of_galaxies_become_names_of_files(tmp_path):
    names = ["J12+34.5", "a/b", "a b", "A B", "..", "Ü" * 300]
    images = []
    for place in range(len(names)):
        path = tmp_path / f"{place}.png"
        path.write_bytes(encode(draw_galaxy(np.random.default_rng(place), True, 24), format="PNG"))
        images.append({"id": names[place], "path": path.name})
    names.remove("..")  # the name of a folder
    pd.DataFrame(images).to_csv(tmp_path / "catalogue.csv", index=False)
    table = table_of([0.5] * 5, galaxy_id=names)
    write_classes(tmp_path / "classes.parquet", table)
    make(tmp_path, tmp_path / "subjects", [str(tmp_path / "catalogue.csv")], audit_share=0)
    found = {row["#galaxy_id"]: row["#image"] for row in rows(tmp_path / "subjects")}
    assert list(found)[:4] == ["J12+34.5", "a/b", "a b", "A B"]
    assert list(found.values())[:4] == ["J12+34.5.jpg", "a_b.jpg", "a_b_.jpg", "A_B__.jpg"]
    write_classes(tmp_path / "classes.parquet", table_of([0.5], galaxy_id=[".."]))
    with pytest.raises(GalaxiesError, match=r"galaxy_id '\.\.' is empty or the name of a file"):
        make(tmp_path, tmp_path / "more/subjects", [str(tmp_path / "catalogue.csv")], audit_share=0)


def test_what_is_there_already_is_kept(survey, tmp_path):
    output = tmp_path / "subjects"
    output.mkdir()
    make(survey, output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    with pytest.raises(GalaxiesError, match=r"is not empty; .* and --earlier"):
        make(survey, output, seed=8)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(GalaxiesError, match="file: is not empty"):
        make(survey, tmp_path / "file")


def test_images_that_are_gone_leave_no_folder(survey, tmp_path):
    some = sorted((survey / "images").iterdir())
    with pytest.raises(GalaxiesError, match=r"no image of 3 of the 36 galaxies, such as '100'"):
        make(survey, tmp_path / "a", list(map(str, some[3:])), number=40, audit_share=0.5)
    catalogue = pd.DataFrame({"id": [path.stem for path in some], "path": list(map(str, some))})
    catalogue.loc[5, "path"] = "gone.jpg"
    catalogue.to_csv(tmp_path / "catalogue.csv", index=False)
    with pytest.raises(GalaxiesError, match=r"image of galaxy '105' cannot be read \(No such"):
        make(survey, tmp_path / "a", [str(tmp_path / "catalogue.csv")], number=40, audit_share=0.5)
    twice = [str(survey / "images"), str(some[7])]
    with pytest.raises(GalaxiesError, match="'107' names two images"):
        make(survey, tmp_path / "a", twice, number=40, audit_share=0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.csv"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"p_spiral": 1.5}, r"row 1: p_spiral is '1.5', not between 0 and 1"),
        ({"galaxy_id": "7"}, "galaxy_id '7' occurs twice"),
        (
            {"decision": "spiral", "p_spiral": 0.9},
            "no galaxy to ask about: the machine decides all",
        ),
        ({"p_spiral": np.float32("nan")}, "no galaxy to ask about"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(survey, tmp_path, change, said):
    write_classes(tmp_path / "classes.parquet", table_of([0.4, 0.5], **change))
    with pytest.raises(GalaxiesError, match=said):
        make(tmp_path, tmp_path / "subjects", [str(survey / "images")], audit_share=0)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("classes.txt", b"", "unknown suffix"),
        ("classes.csv", b"", "not a CSV table: it is empty"),
        ("classes.csv", b"id,p\n1,2\n", "not a table from galaxies classify: it has no column"),
        (
            "classes.csv",
            b"galaxy_id,p_spiral,spread,decision\n1,many,0,\n",
            "is 'many', not between 0 and 1",
        ),
        ("classes.csv", b"\xff\xfe\x00", "not UTF-8 text"),
        ("classes.parquet", b"PAR1", "not a Parquet table"),
        ("classes.fits", b"SIMPLE", "not a FITS table"),
        ("gone.parquet", None, "no such table; create it with galaxies classify"),
    ],
)
def test_files_that_are_no_table_of_classes_are_refused(survey, tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(GalaxiesError, match=said):
        ask(tmp_path / name, [str(survey / "images")], tmp_path / "subjects", **OPTIONS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file; give a folder made by galaxies ask"),
        ("subject,image\n1,a.jpg\n", "no column '#image'"),
        (f"{HEADER}a.jpg,7\n", "line 2: cut off or damaged"),
        (HEADER + 2 * "a.jpg,7,0.5,1,x,audit\n", "line 3: #galaxy_id '7' occurs twice"),
    ],
)
def test_folders_that_are_no_batch_are_refused(survey, tmp_path, content, said):
    (tmp_path / "earlier").mkdir()
    if content:
        (tmp_path / "earlier/manifest.csv").write_text(content)
    with pytest.raises(GalaxiesError, match=said):
        make(survey, tmp_path / "subjects", earlier=[tmp_path / "earlier"])


def test_a_table_is_read_in_pieces(tmp_path):
    p = np.random.default_rng(2).random(150_000).astype(np.float32)
    write_classes(tmp_path / "classes.parquet", table_of(p))
    pieces = list(read_classes(tmp_path / "classes.parquet"))
    assert max(map(len, pieces)) <= 131_072
    assert np.array_equal(pd.concat(pieces)["p_spiral"], p)
    assert pq.read_schema(tmp_path / "classes.parquet").metadata[b"bundle"] == SUMS.encode()
