"""Inputs of every kind give the same images, in the same chunks each time."""

import gzip
import io
import json
import os
import pickle
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from galaxies.classifying.inputs.chunks import stem
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.dataset.archive import open_archive
from galaxies.errors import GalaxiesError
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError
from tests.conftest import draw_galaxy, encode

NAMES = [f"galaxy{number:02d}" for number in range(7)]


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(5)
    return {name: encode(draw_galaxy(random, bool(n % 2))) for n, name in enumerate(NAMES)}


def write_folder(path, data):
    (path / "deeper").mkdir(parents=True)
    for number, (name, image) in enumerate(data.items()):
        (path / ("deeper" if number > 4 else ".") / f"{name}.jpg").write_bytes(image)
    (path / "notes.txt").write_text("not an image")
    (path / ".hidden.jpg").write_bytes(b"")
    return [str(path)]


def write_files(path, data):
    write_folder(path, data)
    return sorted(map(str, path.glob("galaxy*"))) + sorted(map(str, path.glob("deeper/*.jpg")))


def write_glob(path, data):
    write_folder(path, data)
    return [f"{path}/galaxy*.jpg", f"{path}/deeper/*"]


def write_zip(path, data):
    path.mkdir()
    with zipfile.ZipFile(path / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.md", "not an image")
        archive.writestr("__MACOSX/galaxy00.jpg", "not an image")
        for name, image in data.items():
            archive.writestr(f"folder/{name}.jpg", image)
    return [str(path / "images.zip")]


def write_tar(path, data, suffix=".tar", mode="w"):
    path.mkdir()
    with tarfile.open(path / f"images{suffix}", mode) as archive:
        members = {"readme.md": b"text"} | {f"a/{k}.jpg": v for k, v in data.items()}
        for name, image in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(image)
            archive.addfile(member, io.BytesIO(image))
    return [str(path / f"images{suffix}")]


def write_tar_gz(path, data):
    return write_tar(path, data, ".tar.gz", "w:gz")


def write_hugging_face(path, data):
    path.mkdir()
    cells = [{"bytes": image, "path": f"{name}.jpg"} for name, image in data.items()]
    table = pa.table({"label": [0] * len(cells), "image": cells})
    pq.write_table(table, path / "images.parquet", row_group_size=3)
    return [str(path / "images.parquet")]


def write_bytes_table(path, data):
    path.mkdir()
    table = pa.table({"id": list(data), "jpeg": list(data.values())})
    pq.write_table(table, path / "images.parquet", row_group_size=2)
    return [str(path / "images.parquet")]


def write_csv_catalogue(path, data):
    write_folder(path / "images", data)
    rows = [f"{name},images/{'deeper/' if n > 4 else ''}{name}.jpg" for n, name in enumerate(data)]
    (path / "catalogue.csv").write_text("\n".join(["id,path", *rows]) + "\n", encoding="utf-8-sig")
    return [str(path / "catalogue.csv")]


def write_parquet_catalogue(path, data):
    files = write_files(path / "images", data)
    table = pa.table({"path": files, "galaxy_id": list(data)})
    pq.write_table(table, path / "catalogue.parquet", row_group_size=2)
    return [str(path / "catalogue.parquet")]


def write_memory(path, data):
    fs = fsspec.filesystem("memory")
    for name, image in data.items():
        fs.pipe_file(f"{path}/{name}.jpg", image)
    return [f"memory://{path}"]


def write_memory_zip(path, data):
    [archive] = write_zip(path, data)
    fs = fsspec.filesystem("memory")
    fs.pipe_file(archive, (path / "images.zip").read_bytes())
    return [f"memory://{archive}"]


WRITERS = [
    write_folder, write_files, write_glob, write_zip, write_tar, write_tar_gz, write_hugging_face,
    write_bytes_table, write_csv_catalogue, write_parquet_catalogue, write_memory, write_memory_zip,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("size", [3, 100])
def test_every_kind_of_input_gives_the_same_images_in_chunks(write, size, data, tmp_path):
    [one] = open_inputs(write(tmp_path / "in", data))
    chunks = [pickle.loads(pickle.dumps(chunk)) for chunk in one.chunks(size)]
    assert [len(chunk) for chunk in chunks] == ([3, 3, 1] if size == 3 else [7])
    assert one.count in (7, None)
    items = [item for chunk in chunks for item in chunk.items()]
    assert {item.galaxy_id: item.load() for item in items} == data
    assert [item.galaxy_id for item in items] == NAMES
    assert [len(list(chunk.items())) for chunk in chunks] == [len(chunk) for chunk in chunks]
    assert json.loads(json.dumps(one.fingerprint())) == one.fingerprint()


@pytest.mark.parametrize("write", [write_folder, write_zip, write_csv_catalogue])
def test_a_changed_input_has_another_fingerprint(write, data, tmp_path):
    first = open_inputs(write(tmp_path / "in", data))[0].fingerprint()
    changed = data | {"galaxy05": data["galaxy05"] + b"\0"}
    for path in (tmp_path / "in").rglob("*.*"):
        path.unlink()
    (tmp_path / "in").rename(tmp_path / "was")
    inputs = write(tmp_path / "in", changed)
    assert open_inputs(inputs)[0].fingerprint() != first


def test_inputs_of_several_kinds_keep_their_order(data, tmp_path):
    archive = write_zip(tmp_path / "zip", data)
    files = write_files(tmp_path / "files", data)
    opened = open_inputs([files[0], files[1], *archive, files[2]])
    assert [one.count for one in opened] == [2, 7, 1]


def test_a_catalogues_further_columns_keep_their_types(data, tmp_path):
    write_folder(tmp_path / "images", data)
    rows = ["id,path,objid,z,name,empty,big"]
    rows += [f"{n},images/{name}.jpg,58772295276743945{n},0.{n},0{n},,{10**18 * (n + 7)}"
             for n, name in enumerate(list(data)[:5])]  # fmt: skip
    rows[3] = rows[3].replace("0.2,", ",")
    (tmp_path / "catalogue.csv").write_text("\n".join(rows))
    [one] = open_inputs([str(tmp_path / "catalogue.csv")])
    assert one.carried == pa.schema(
        {
            "objid": pa.int64(), "z": pa.float64(), "name": pa.string(), "empty": pa.string(),
            "big": pa.uint64(),
        }
    )  # fmt: skip
    chunks = list(one.chunks(2))
    assert all(chunk.carried.schema == one.carried for chunk in chunks)
    carried = pa.concat_tables([chunk.carried for chunk in chunks])
    assert carried["objid"].to_pylist()[4] == 587722952767439454
    assert carried["z"].to_pylist() == [0.0, 0.1, None, 0.3, 0.4]
    assert carried["name"].to_pylist() == ["00", "01", "02", "03", "04"]


def test_what_cannot_be_read_says_why(data, tmp_path):
    write_folder(tmp_path / "images", data)
    rows = ["id,path", "1,images/galaxy00.jpg", "2,", "3,images/none.jpg"]
    (tmp_path / "catalogue.csv").write_text("\n".join(rows))
    [chunk] = open_inputs([str(tmp_path / "catalogue.csv")])[0].chunks(10)
    first, empty, absent = chunk.items()
    assert first.load() == data["galaxy00"]
    with pytest.raises(UnreadableImageError, match="has no path"):
        empty.load()
    with pytest.raises(UnreadableImageError, match=r"cannot be read .No such file"):
        absent.load()
    table = pa.table({"image": [{"bytes": None, "path": "a.jpg"}]})
    pq.write_table(table, tmp_path / "none.parquet")
    [chunk] = open_inputs([str(tmp_path / "none.parquet")])[0].chunks(10)
    with pytest.raises(UnreadableImageError, match="has no bytes"):
        next(chunk.items()).load()
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(LARGEST_IMAGE + 2)
    [chunk] = open_inputs([str(tmp_path / "huge.jpg")])[0].chunks(10)
    with pytest.raises(UnreadableImageError, match="is too large"):
        next(chunk.items()).load()


def test_a_damaged_member_does_not_stop_the_archive(data, tmp_path):
    [path] = write_zip(tmp_path / "in", data)
    content = bytearray((tmp_path / "in/images.zip").read_bytes())
    place = content.index(b"galaxy03.jpg") + 40
    content[place : place + 60] = bytes(60)
    (tmp_path / "in/images.zip").write_bytes(content)
    [chunk] = open_inputs([path])[0].chunks(10)
    damaged = list(chunk.items())[3]
    with pytest.raises(UnreadableImageError, match="is damaged in the archive"):
        damaged.load()


def test_members_of_one_name_in_a_zip_archive_are_two_images(data, tmp_path):
    first, second = list(data.values())[:2]
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("galax\u00eda.jpg", first)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("galax\u00eda.jpg", second)
    [chunk] = open_inputs([str(tmp_path / "twice.zip")])[0].chunks(10)
    items = list(pickle.loads(pickle.dumps(chunk)).items())
    assert [(item.galaxy_id, item.load()) for item in items] == [
        ("galax\u00eda", first), ("galax\u00eda", second),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: [], "nothing to classify"),
        (lambda path: [str(path / "none.jpg")], "none.jpg: no such file or folder"),
        (lambda path: [str(path / "*.jpg")], r"\*.jpg: no file matches"),
        (lambda path: [str(path)], "contains no image"),
        (lambda path: [_file(path / "a.gif", b"GIF")], "a.gif: unknown suffix; readable are .jpg"),
        (lambda path: [_file(path / "a.zip", b"PK")], "a.zip: is cut off or not a zip archive"),
        (lambda path: [_file(path / "a.tar", b"tar" * 999)], "a.tar: is cut off or not a tar"),
        (lambda path: [_file(path / "a.tgz", gzip.compress(b"x"))], "a.tgz: "),
        (lambda path: [_file(path / "a.parquet", b"PAR1")], "a.parquet: damaged or not a Parquet"),
        (lambda path: [_file(path / "a.csv", b"")], "a.csv: not a CSV table"),
        (lambda path: [_file(path / "a.csv", b"\xff\xfe")], "a.csv: not UTF-8 text at byte 0"),
        (lambda path: [_file(path / "a.csv", b"id,path\n")], "a.csv: contains no image"),
        (lambda path: [_file(path / "a.csv", b"id,ra\n1,2\n")], "needs a column of IDs"),
        (lambda path: [_file(path / "a.csv", b"id,path\n1,x.jpg\n")], "none of the first 100"),
    ],
)  # fmt: skip
def test_an_input_that_cannot_be_used_is_named(make, expected, tmp_path):
    with pytest.raises(GalaxiesError, match=expected):
        open_inputs(make(tmp_path))


def _file(path, content):
    path.write_bytes(content)
    return str(path)


def test_catalogues_of_different_columns_are_not_mixed(data, tmp_path):
    write_folder(tmp_path / "images", data)
    addresses = [
        _file(tmp_path / name, f"id,path,{column}\n1,images/galaxy00.jpg,2\n".encode())
        for name, column in (("a.csv", "ra"), ("b.csv", "dec"))
    ]
    with pytest.raises(GalaxiesError, match="different columns"):
        open_inputs(addresses)


def test_a_galaxy_is_named_by_its_file():
    assert stem("a/b/587722952767439450.jpg") == "587722952767439450"
    assert stem("a\\cutout.fits.gz") == "cutout"
    assert stem("s3://bucket/J1234+56.7.fits") == "J1234+56.7"


def tar_of(path, members, mode="w", **options):
    """An archive of (name, contents or what to change in the header)."""
    with tarfile.open(path, mode, **options) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                for key, value in content.items():
                    setattr(info, key, value)
                archive.addfile(info)
    return str(path)


def rows(*inputs):
    """IDs, and for each its contents or why there are none."""
    found = []
    for one in open_inputs(list(map(str, inputs))):
        for chunk in one.chunks(3):
            for item in chunk.items():
                try:
                    found.append((item.galaxy_id, item.load()))
                except UnreadableImageError as error:
                    found.append((item.galaxy_id, str(error)))
    return found


LINK, HARD = {"type": tarfile.SYMTYPE}, {"type": tarfile.LNKTYPE}


def test_links_in_a_tar_archive_are_rows(tmp_path):
    members = [
        ("a/one.jpg", b"1"),
        ("b/hard.jpg", HARD | {"linkname": "a/one.jpg"}),
        ("b/soft.jpg", LINK | {"linkname": "../a/one.jpg"}),
        ("c/twice.jpg", LINK | {"linkname": "../b/soft.jpg"}),
        ("c/ahead.jpg", LINK | {"linkname": "later.dat"}),
        ("c/round.jpg", LINK | {"linkname": "round.jpg"}),
        ("c/out.jpg", LINK | {"linkname": "/etc/passwd"}),
        ("c/pipe.jpg", {"type": tarfile.FIFOTYPE}),
        ("c/later.dat", b"2"),
    ]
    path = tar_of(tmp_path / "links.tar", members)
    assert rows(path) == [
        ("one", b"1"), ("hard", b"1"), ("soft", b"1"), ("twice", b"1"), ("ahead", b"2"),
        ("round", "is a link to c/round.jpg, which is not in the archive"),
        ("out", "is a link to /etc/passwd, which is not in the archive"),
        ("pipe", "is not a file"),
    ]  # fmt: skip
    [one] = open_inputs([path])
    assert one.skipped == {".dat files": 1}
    packed = rows(tar_of(tmp_path / "links.tar.gz", members, "w:gz"))
    assert [galaxy_id for galaxy_id, _ in packed] == [galaxy_id for galaxy_id, _ in rows(path)]
    assert packed[1][1].startswith("is a link to a/one.jpg; unpack the archive")


def test_a_hard_link_in_a_tar_archive_is_to_what_stands_before_it(tmp_path):
    members = [
        ("early.jpg", HARD | {"linkname": "one.dat"}),
        ("one.dat", b"1"),
        ("hard.jpg", HARD | {"linkname": "one.dat"}),
        ("soft.jpg", LINK | {"linkname": "one.dat"}),
        ("one.dat", b"2"),
        ("again.jpg", HARD | {"linkname": "hard.jpg"}),
        ("late.jpg", HARD | {"linkname": "one.dat"}),
    ]
    assert rows(tar_of(tmp_path / "links.tar", members)) == [
        ("early", "is a link to one.dat, which is not in the archive"),
        ("hard", b"1"), ("soft", b"2"), ("again", b"1"), ("late", b"2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("members", "comment"), [(3, b""), (3, b"of the survey"), (65_536, b"of the survey")]
)
def test_a_zip_archive_lists_as_many_members_as_its_end_says(members, comment, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = comment
        for number in range(members):
            archive.writestr(f"{number}.jpg", b"")
    assert open_inputs([str(path)])[0].count == members
    content = bytearray(path.read_bytes())
    large = members > 65_535
    end = content.rindex(b"PK\6\6" if large else b"PK\5\6")
    content[end + (32 if large else 10)] += 1
    path.write_bytes(content)
    said = f"a.zip: lists {members:,} members, but its end says {members + 1:,}"
    with pytest.raises(GalaxiesError, match=said):
        open_inputs([str(path)])


def zipped(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name.encode() * 50)
    return path.read_bytes()


def test_images_in_a_table_win_over_the_files_that_it_names_and_that_is_said(tmp_path):
    table = pa.table({"galaxy_id": ["a"], "image": [b"1"], "Path": ["b.jpg"]})
    pq.write_table(table, tmp_path / "t.parquet")
    [one] = open_inputs([str(tmp_path / "t.parquet")])
    said = "t.parquet: the images are from the column image; the files in Path are not read"
    assert one.remarks[0].endswith(said)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_catalogue_whose_last_line_does_not_end_may_be_cut_off_and_that_is_said(end, tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"1")
    path = tmp_path / "t.csv"
    path.write_bytes(f"path,galaxy_id\n1.jpg,5877229{end}".encode())
    [one] = open_inputs([str(path)])
    assert [remark.endswith("are missing") for remark in one.remarks] == [True] * (not end)


def test_a_link_to_nothing_is_an_error_in_its_row(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "nothing.jpg")
    [one] = open_inputs([str(tmp_path)])
    assert one.fingerprint()["images"] == 2
    problem = "cannot be read (No such file or directory)"
    assert rows(tmp_path) == [("a", b"1"), ("b", problem)]


def test_zip_archives_that_were_joined_are_refused_never_half_read(tmp_path):
    first, second = (zipped(tmp_path / "a.zip", names) for names in (["1.jpg"], ["2.jpg", "3.jpg"]))
    joined = tmp_path / "joined.zip"
    for content, reason in (
        (first + second, f"{len(first)} bytes stand before its first member"),
        (first + b"abc" + second, f"{len(first) + 3} bytes stand before its first member"),
        (first + second[:-30], "more stands behind its end"),
        (first + b"\0" * 500, "more stands behind its end"),
    ):
        joined.write_bytes(content)
        for read in (lambda: open_inputs([str(joined)]), lambda: open_archive(joined)):
            with pytest.raises(GalaxiesError, match=f"joined.zip: {reason}, as if archives"):
                read()


def test_a_tar_archive_that_was_never_filled_is_refused(tmp_path):
    members = [(f"{n}.jpg", bytes([n + 1]) * 2000) for n in range(20)]
    path = tmp_path / "a.tar"
    whole = Path(tar_of(path, members)).read_bytes()
    starts = [whole.index(bytes([n + 1]) * 2000) - tarfile.BLOCKSIZE for n in (3, 8)]
    for start in (*starts, starts[0] + 1000):
        path.write_bytes(whole[:start] + bytes(len(whole) - start))
        with pytest.raises(GalaxiesError, match=r"a\.tar: .* bytes are zeros|a header damaged"):
            rows(path)
    path.write_bytes(whole[: starts[0]] + bytes(tarfile.BLOCKSIZE))
    with pytest.raises(GalaxiesError, match=r"a\.tar: .*its end is missing"):
        rows(path)


def test_whether_a_tar_archive_is_compressed_is_seen_not_believed(tmp_path):
    members = [(f"{n}.jpg", bytes([n]) * 600) for n in range(5)]
    expected = rows(tar_of(tmp_path / "a.tar", members))
    assert rows(tar_of(tmp_path / "b.tar", members, "w:gz")) == expected
    assert rows(tar_of(tmp_path / "c.tar.gz", members)) == expected
    assert rows(tar_of(tmp_path / "d.tbz2", members, "w:bz2")) == expected
    assert rows(tar_of(tmp_path / "e.txz", members, "w:xz")) == expected


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_archive_that_ends_early_is_never_a_shorter_survey(mode, tmp_path):
    members = [(f"{n}.jpg", np.random.default_rng(n).bytes(3000)) for n in range(8)]
    whole = Path(tar_of(tmp_path / "whole.tar", members, mode)).read_bytes()
    cut = tmp_path / "cut.tar"
    ends = [k * 3584 for k in range(1, 8)] if mode == "w" else []
    for end in (*ends, *range(600, len(whole) - 10_300, 2311)):
        cut.write_bytes(whole[:end])
        with pytest.raises(GalaxiesError, match=r"cut\.tar: is cut off or not a tar archive"):
            rows(cut)


def test_a_damaged_header_or_a_second_archive_is_never_a_shorter_survey(tmp_path):
    members = [(f"{n}.jpg", bytes(3000)) for n in range(8)]
    whole = Path(tar_of(tmp_path / "whole.tar", members)).read_bytes()
    for place in range(3584, 8 * 3584, 3584):
        damaged = bytearray(whole)
        damaged[place + 100] ^= 1
        (tmp_path / "damaged.tar").write_bytes(damaged)
        with pytest.raises(GalaxiesError, match="its end is missing, or a header damaged"):
            rows(tmp_path / "damaged.tar")
    (tmp_path / "two.tar").write_bytes(whole * 2)
    with pytest.raises(GalaxiesError, match="there is more after its end"):
        rows(tmp_path / "two.tar")


def test_a_name_of_gigabytes_takes_no_memory(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 3_000_000_000
    path = tmp_path / "name.tar"
    with path.open("wb") as file:
        file.write(info.tobuf())
        file.truncate(3_000_100_000)
    tracemalloc.start()
    with pytest.raises(GalaxiesError, match="a name of 3,000,000,000 bytes"):
        open_inputs([str(path)])
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_of_a_whole_folder_is_not_hidden(mode, tmp_path):
    """As `tar -C night -cf night.tar .` makes it."""
    path = tmp_path / ("night.tar" if mode == "w" else "night.tgz")
    with tarfile.open(path, mode) as archive:
        for name in ("./1.jpg", "./late/2.jpg", "./.3.jpg", "./.late/4.jpg", "././5.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    [one] = open_inputs([str(path)])
    found = [item.galaxy_id for chunk in one.chunks(9) for item in chunk.items()]
    assert found == ["1", "2", "5"]
    assert one.skipped == {"hidden files and folders": 2}


def test_a_zip_archive_that_is_replaced_is_read_anew(tmp_path):
    def names() -> list[bytes]:
        [one] = open_inputs([str(tmp_path / "night.zip")])
        return [item.load() for chunk in one.chunks(9) for item in chunk.items()]

    for content in (b"first", b"other", b"longer ones"):
        with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
            archive.writestr("1.jpg", content)
        (tmp_path / "new.zip").replace(tmp_path / "night.zip")
        assert names() == [content]


def test_names_of_any_bytes_stay_apart(tmp_path):
    folder = tmp_path / "sky"
    folder.mkdir()
    for name in (b"gal\xff.jpg", b"gal\xfe.jpg", "größe.jpg".encode()):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(b"1")
    found = rows(folder)
    assert sorted(galaxy_id for galaxy_id, _ in found) == ["gal\\udcfe", "gal\\udcff", "größe"]
    assert {data for _, data in found} == {b"1"}
    pa.array([galaxy_id for galaxy_id, _ in found])
    open_inputs([str(folder)])[0].fingerprint()
    members = [("gal\udcff.jpg", b"1"), ("a" * 300 + ".jpg", b"2")]
    found = rows(tar_of(tmp_path / "names.tar", members))
    assert found == [("gal\\udcff", b"1"), ("a" * 300, b"2")]


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_takes_no_more_memory_than_its_header_says(method, tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("good.jpg", b"good" * 100)
        archive.writestr("bomb.jpg", bytes(300_000_000))
    data = path.read_bytes().replace((300_000_000).to_bytes(4, "little"), b"\x10\0\0\0")
    path.write_bytes(data)
    assert len(data) < 500_000
    tracemalloc.start()
    [good, bomb] = rows(path)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert good == ("good", b"good" * 100)
    assert bomb[1].startswith("is damaged in the archive (Bad CRC-32")


def test_a_zip_header_of_impossible_sizes_is_an_error_in_the_row(tmp_path):
    path = tmp_path / "sizes.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"1")
        info = zipfile.ZipInfo("b.jpg")
        archive.writestr(info, b"2")
        info.file_size = 2**63 + 5
    assert rows(path) == [("a", b"1"), ("b", "is too large")]


def test_linked_and_unreadable_folders_are_followed_or_counted(tmp_path, monkeypatch):
    sky, other = tmp_path / "sky", tmp_path / "other"
    for folder in (sky / "b", other, sky / "closed", sky / ".cache"):
        folder.mkdir(parents=True)
    for path in (sky / "b/1.jpg", other / "2.jpg", sky / "closed/3.jpg", sky / ".cache/4.jpg"):
        path.write_bytes(b"x")
    for name in ("notes.txt", "list.TXT", "README"):
        (sky / name).touch()
    (sky / "a").symlink_to(other)
    (sky / "again").symlink_to(sky / "b")
    (other / "up").symlink_to(sky)
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    [one] = open_inputs([str(sky)])
    assert [galaxy_id for galaxy_id, _ in rows(sky)] == ["1", "2"]
    assert one.skipped == {
        ".txt files": 2, "files without a suffix": 1, "hidden files and folders": 1,
        "folders that cannot be read": 1, "links to folders that are listed already": 2,
    }  # fmt: skip


def test_a_pipe_or_a_path_that_no_file_has_does_not_stop_the_job(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    path = tmp_path / "list.csv"
    path.write_text(f"id,path\n1,{tmp_path}/pipe.jpg\n2,a\0b.jpg\n3,/dev/zero\n4,list.csv\n")
    found = dict(rows(path))
    assert found["1"] == found["3"] == "cannot be read (not a file)"
    assert found["2"].startswith("cannot be read")
    assert found["4"] == path.read_bytes()


def test_one_file_per_band_is_remarked(tmp_path):
    for name in ("J1_g.fits", "J1_r.fits", "J2_g.fits"):
        (tmp_path / name).touch()
    [one] = open_inputs([str(tmp_path)])
    assert one.count == 3
    assert "J1_r.fits seem to be bands of one galaxy" in one.remarks[0]
    (tmp_path / "J1_r.fits").unlink()
    assert not open_inputs([str(tmp_path)])[0].remarks


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_the_column_of_images_is_said_if_there_are_several(kind, tmp_path):
    table = pa.table({"id": ["a"], "jpg": pa.array([b"1"], kind), "mask": pa.array([b"2"], kind)})
    pq.write_table(table, tmp_path / "t.parquet")
    assert rows(tmp_path / "t.parquet") == [("a", b"1")]
    [one] = open_inputs([str(tmp_path / "t.parquet")])
    assert one.remarks[0].endswith("t.parquet: the images are from the column jpg, not mask")
    pq.write_table(table.drop_columns("mask"), tmp_path / "t.parquet")
    assert not open_inputs([str(tmp_path / "t.parquet")])[0].remarks


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://bucket/galaxies", "s3://bucket/galaxies: Install s3fs"),
        ("gopher://sky/a.jpg", "gopher://sky/a.jpg: Protocol not known: gopher"),
        ("https://", "https://: "),
        ("a\0b", "no such file or folder"),
    ],
)
def test_an_address_that_cannot_be_reached_is_named(address, said, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were not installed
    with pytest.raises(GalaxiesError, match=said):
        open_inputs([address])
