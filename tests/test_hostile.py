"""Bad inputs, each with what the user is told and the exit status; never a traceback.

Every case starts from a small survey that works, spoils one thing, and runs what a user would run.
"""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

import stages.evaluate
import stages.pack
import stages.predict
import stages.split
import stages.train_tree
from galaxies import cli
from galaxies.dataset.archive import list_images, open_archive, read_image
from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError, run_stage
from galaxies.images.decode import UnreadableImageError, decode_image
from tests.conftest import HEADER, draw_galaxy, encode, write_project

pytestmark = pytest.mark.slow

FRAME = draw_galaxy(np.random.default_rng(1), spiral=True, side=48)
JPEG = encode(FRAME)
ARCHIVE, CSV = Path("data/small", IMAGES), Path("data/small", VOTES)
GALAXIES = 24


class Outcome(NamedTuple):
    status: int
    said: str


def outcome(main: Callable[[], None], capsys) -> Outcome:
    """Run an entry point as a user's shell would see it; any other exception is a failure."""
    capsys.readouterr()
    try:
        run_stage(main)
    except SystemExit as end:
        if isinstance(end.code, str):
            return Outcome(1, end.code)
        return Outcome(end.code or 0, capsys.readouterr().err)
    return Outcome(0, "")


def command(*words: str) -> Callable[[], None]:
    """The command `galaxies` with these words."""

    def main() -> None:
        cli.app(list(words), prog_name="galaxies")

    return main


def predict(*words: str) -> Callable[[], None]:
    def main() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["stages.predict", *words])
            stages.predict.main()

    return main


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A project folder with a small survey, packed, split, and a tree trained on it."""
    folder = write_project(tmp_path_factory.mktemp("prepared"), GALAXIES)
    with contextlib.chdir(folder):
        stages.train_tree.main()
    return folder


@pytest.fixture
def project(prepared, tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    return folder


class Case(NamedTuple):
    """One spoilt input."""

    what: str
    run: Callable[[], None]
    spoil: Callable[[], object]
    said: str
    """A regular expression that the message, without `error: `, must match from its start."""
    status: int = 1


# --- votes ---------------------------------------------------------------------------------------


def votes(*rows: str, header: str = HEADER, encoding: str = "utf-8", newline: str = "\n"):
    def spoil() -> None:
        CSV.write_bytes(newline.join([header, *rows, ""]).encode(encoding))

    return spoil


def csv(what: str, content: bytes | Callable[[], object], said: str) -> Case:
    spoil = content if callable(content) else lambda: CSV.write_bytes(content)
    return Case(f"votes: {what}", stages.split.main, spoil, rf"{re.escape(str(CSV))}: {said}")


VOTE_CASES = [
    csv("absent", lambda: CSV.unlink(), "no such file; a survey consists of"),
    csv("a folder", lambda: (CSV.unlink(), CSV.mkdir()), "no such file"),
    csv("a link to nothing", lambda: (CSV.unlink(), CSV.symlink_to("gone")), "no such file"),
    csv("a link to itself", lambda: (CSV.unlink(), CSV.symlink_to(CSV.name)), "no such file"),
    csv("empty", b"", "not a CSV table: No columns"),
    csv("blank lines", b"\n\n\n", "not a CSV table: No columns"),
    csv("a byte order mark alone", b"\xef\xbb\xbf", "not a CSV table: No columns"),
    csv("a header alone", votes(), "no rows"),
    csv("Latin-1", votes("1,1,0,0", header=f"{HEADER},Größe", encoding="latin-1"), "not UTF-8 tex"),
    csv("UTF-16", votes("1,1,0,0", encoding="utf-16"), "not UTF-8 text at byte 0"),
    csv("compressed", gzip.compress(b"GalaxyID", mtime=0), "not UTF-8 text at byte 1"),
    csv("a JPEG", JPEG, "not UTF-8 text at byte 0"),
    csv("zeros", bytes(4000), "(no column 'GalaxyID'|not a CSV table)"),
    csv("an open quote", votes('1,"1,0,0', "2,1,0,0"), "not a CSV table: .*EOF inside string"),
    csv("rows of all lengths", votes("1,1,0,0,7", "2", "3,1,0,0,1,1,1,1"), "not a CSV table: Err"),
    csv("rows longer than the header", votes("7,0,1,0,0", "8,1,1,0,0"), "rows have more fields "),
    csv("trailing commas", votes("7,0,1,0,", "8,1,0,0,"), "rows have more fields than the header"),
    csv("decimal commas", votes("1,0,5,0,5,0"), "rows have more fields than the header"),
    csv("semicolons", lambda: CSV.write_text(CSV.read_text().replace(",", ";")), "no column 'Gala"),
    csv(
        "no ID column", votes("1,1,0,0", header=HEADER.lower()), "no column 'GalaxyID'; found 'gal"
    ),
    csv("no artifact column", votes("1,1,0", header=HEADER[:-9]), "no column 'Class1.3'"),
    csv("a column twice", votes("1,1,0,0,1", header=f"{HEADER},Class1.1"), "column 'Class1.1' twi"),
    csv("a row cut off", votes("1,1,0,0", "2,1"), "line 3: has 2 of 4 fields; the file is cut off"),
    csv("an ID twice", votes("1,1,0,0", "2,1,0,0", "1,1,0,0"), "line 4: GalaxyID 1 occurs twice"),
    csv("an ID twice, padded", votes("7,1,0,0", "007,1,0,0"), "line 3: GalaxyID 007 occurs twice"),
    csv("no ID", votes(",1,0,0"), "line 2: GalaxyID '' is not a whole number"),
    csv("a rounded ID", votes("5.8e17,1,0,0"), "line 2: GalaxyID '5.8e17' is not a whole number"),
    csv("a negative ID", votes("-1,1,0,0"), "line 2: GalaxyID '-1' is not a whole number"),
    csv("an Arabic ID", votes("١٢,1,0,0"), "line 2: GalaxyID '١٢' is not a whole number"),
    csv("an ID beyond int64", votes("9223372036854775808,1,0,0"), "line 2: .* not a whole number"),
    csv("a line break in an ID", votes('"1\n",1,0,0', '"a\nb",1,0,0'), r"line \d: GalaxyID 'a\\nb"),
    csv("a vote above 1", votes("1,1,0,0", "2,1.5,0,0"), "line 3: Class1.1 of GalaxyID 2 is '1.5'"),
    csv("a negative vote", votes("1,1,-0.1,0"), "line 2: Class1.2 of GalaxyID 1 is '-0.1', not be"),
    csv("a vote in words", votes("1,1,many,0"), "line 2: Class1.2 of GalaxyID 1 is 'many'"),
    csv("a vote true", votes("1,True,0,0"), "line 2: Class1.1 of GalaxyID 1 is 'True'"),
    csv("a vote missing", votes("1,1,,0"), "line 2: Class1.2 of GalaxyID 1 is ''"),
    csv("a vote not a number", votes("1,1,nan,0"), "line 2: Class1.2 of GalaxyID 1 is 'nan'"),
    csv("an infinite vote", votes("1,1,inf,0"), "line 2: Class1.2 of GalaxyID 1 is 'inf'"),
    csv("a vote that overflows", votes("1,1e999,0,0"), "line 2: Class1.1 of GalaxyID 1 is '1e999'"),
    csv("no votes at all", votes("1,0,0,0"), r"line 2: the votes of GalaxyID 1 .* sum to 0, "),
    csv("two bad rows", votes("1,2,0,0", "2,3,0,0"), r"line 2: .* \(and 1 more such rows\)"),
    csv("a bad row after blank ones", votes("1,1,0,0", "", "", "2,7,0,0"), "line 5: Class1.1 of G"),
    csv("a long field", votes(f"1,{'7' * 100_000},0,0"), r"line 2: Class1.1 of GalaxyID 1 is '777"),
    Case("votes: of other galaxies", stages.split.main, votes("99,1,0,0"), "votes and images have"),
    Case(
        "votes: of one class",
        stages.split.main,
        votes(*(f"{number},1,0,0" for number in range(1, 25))),
        r"the votes give 0 elliptical galaxies; .*; 24 galaxies have no class: .* the same ans",
    ),
]

# --- archive -------------------------------------------------------------------------------------


def packed(members: dict[str, bytes], **options):
    """Rewrite the archive."""

    def spoil() -> None:
        with zipfile.ZipFile(ARCHIVE, "w", **options) as archive:
            for name, data in members.items():
                archive.writestr(name, data)

    return spoil


def patched(*changes: tuple[bytes, bytes]):
    """Write an archive of one galaxy and change bytes in it."""

    def spoil() -> None:
        packed({"1.jpg": JPEG})()
        data = ARCHIVE.read_bytes()
        for old, new in changes:
            assert old in data
            data = data.replace(old, new)
        ARCHIVE.write_bytes(data)

    return spoil


def central(place: int, new: bytes):
    """Change the central directory's entry of an archive of one galaxy."""

    def spoil() -> None:
        packed({"1.jpg": JPEG})()
        data = bytearray(ARCHIVE.read_bytes())
        entry = data.rindex(b"PK\1\2")
        data[entry + place : entry + place + len(new)] = new
        ARCHIVE.write_bytes(data)

    return spoil


def cut(length: int):
    return lambda: ARCHIVE.write_bytes(ARCHIVE.read_bytes()[:length])


def linked() -> None:
    """A member that says that it is a symbolic link to a file outside."""
    info = zipfile.ZipInfo("1.jpg")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(ARCHIVE, "w") as archive:
        archive.writestr(info, "/etc/passwd")


def inflated() -> None:
    """A member of 1 GB in 1 MB."""
    with (
        zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("1.jpg", "w", force_zip64=True) as file,
    ):
        for _ in range(100):
            file.write(bytes(1_000_000))


def nested() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.jpg", JPEG)
    return file.getvalue()


def archive(what: str, spoil: Callable[[], object], said: str) -> Case:
    return Case(f"zip: {what}", stages.pack.main, spoil, rf"{re.escape(str(ARCHIVE))}: {said}")


def named(name: str, said: str, what: str | None = None) -> Case:
    return archive(what or f"a member {name}", packed({"1.jpg": JPEG, name: JPEG}), said)


BZIP2 = central(10, struct.pack("<H", zipfile.ZIP_BZIP2))
ARCHIVE_CASES = [
    archive("absent", lambda: ARCHIVE.unlink(), "no such file; a survey consists of"),
    archive("a folder", lambda: (ARCHIVE.unlink(), ARCHIVE.mkdir()), "no such file"),
    archive("empty", cut(0), "is empty; copy or download it again"),
    archive("cut off early", cut(3000), "is cut off or not a zip archive"),
    archive("cut off at the end", cut(-1), "is cut off or not a zip archive"),
    archive("a CSV", lambda: shutil.copy(CSV, ARCHIVE), "is cut off or not a zip archive"),
    archive("without members", packed({}), "contains no image"),
    archive("of folders", packed({"a/": b"", "a/b/": b""}), "contains no image"),
    named("../1.jpg", r"member '\.\./1\.jpg' points outside the archive"),
    named("a/../../1.jpg", "member .* points outside the archive"),
    named("/etc/1.jpg", "member .* points outside the archive"),
    named("C:/1.jpg", "member .* points outside the archive"),
    named("..\\1.jpg", "member .* points outside the archive"),
    named(".", "member '.' ", "a member named ."),
    named("notes.txt", "member 'notes.txt' is not an image; remove it"),
    named("inner.zip", "member 'inner.zip' is not an image"),
    named("2.fits", "member '2.fits' is not an image"),
    named("galaxy.jpg", "member 'galaxy.jpg' is not named by a GalaxyID"),
    named("²³.jpg", "member '²³.jpg' is not named by a GalaxyID"),
    named("٣.jpg", "member '٣.jpg' is not named by a GalaxyID"),
    named("-1.jpg", "member '-1.jpg' is not named by a GalaxyID"),
    named("99999999999999999999.jpg", "member .* is not named by a GalaxyID"),
    named(f"{'9' * 5000}.jpg", "member .* is not named by a GalaxyID", "an ID of 5000 digits"),
    named("b/1.jpeg", "GalaxyID 1 twice: '1.jpg' and 'b/1.jpeg'"),
    archive("encrypted", central(8, b"\x01"), "member '1.jpg' is encrypted"),
    archive("strongly encrypted", central(8, b"\x41"), "member '1.jpg' is encrypted"),
    archive("a symbolic link", linked, "member '1.jpg' is not a JPEG or PNG"),
    archive("a zip bomb", inflated, "member '1.jpg' is too large"),
    archive("a nested zip", packed({"1.jpg": nested()}), "member '1.jpg' is not a JPEG or PNG"),
    archive("a wrong checksum", central(16, b"abcd"), "member '1.jpg' is damaged in the archive"),
    archive("a false size", central(24, b"\1\0\0\0"), "member '1.jpg' is damaged in the archive"),
    archive("unknown compression", central(10, b"\x63"), "member '1.jpg' is damaged in the arch"),
    archive("wrong bzip2", BZIP2, "member '1.jpg' is damaged in the archive"),
    archive("wrong LZMA", central(10, b"\x0e"), "member '1.jpg' is damaged in the archive"),
    archive("wrong deflate", central(10, b"\x08"), "member '1.jpg' is damaged in the archive"),
    archive("a wrong offset", central(42, b"\xf0"), "240 bytes stand before its first member"),
]

# --- images --------------------------------------------------------------------------------------


def png(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def bomb(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def other(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(FRAME).save(file, kind)
    return file.getvalue()


PNG = png(Image.fromarray(FRAME))
TEXT_BOMB = PNG[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000))) + PNG[33:]
IMAGE_CASES = [
    Case(
        f"image: {what}",
        stages.pack.main,
        packed({"5.jpg": data}),
        rf"{re.escape(str(ARCHIVE))}: member '5\.jpg' {said}.*; pack\.max_unreadable allows 0 ",
    )
    for what, data, said in [
        ("empty", b"", "is empty"),
        ("text", b"not an image", "is not a JPEG or PNG"),
        ("FITS", b"SIMPLE  =                    T".ljust(2880), "is not a JPEG or PNG"),
        ("GIF", other("GIF"), "is not a JPEG or PNG"),
        ("TIFF", other("TIFF"), "is not a JPEG or PNG"),
        ("BMP", other("BMP"), "is not a JPEG or PNG"),
        ("WebP", other("WEBP"), "is not a JPEG or PNG"),
        ("a JPEG cut off", JPEG[:-300], "cannot be decoded"),
        ("a JPEG's header", JPEG[:30], "cannot be decoded"),
        ("a JPEG's signature", JPEG[:3], "cannot be decoded"),
        ("a PNG cut off", PNG[: len(PNG) // 2], "cannot be decoded"),
        ("a PNG's signature", PNG[:8], "cannot be decoded"),
        ("a PNG with a wrong checksum", PNG.replace(b"IHDR\0", b"IHDR\1"), "cannot be decoded"),
        ("a PNG without pixels", bomb(100, 100), "cannot be decoded"),
        ("a PNG of no size", bomb(0, 0), "cannot be decoded"),
        ("70 million pixels", bomb(10_000, 7_000), "is too large: 10000x7000 pixels"),
        ("100 million pixels", bomb(10_000, 10_000), "is too large: 10000x10000 pixels"),
        ("2.5 billion pixels", bomb(50_000, 50_000), "is too large: 50000x50000 pixels"),
        ("a bomb in its text", TEXT_BOMB, "cannot be decoded"),
    ]
]

# --- settings ------------------------------------------------------------------------------------


def params(text: str | bytes) -> Callable[[], object]:
    data = text.encode() if isinstance(text, str) else text
    return lambda: Path("params.yaml").write_bytes(data)


def setting(old: str, new: str) -> Callable[[], None]:
    def spoil() -> None:
        path = Path("params.yaml")
        text = path.read_text(encoding="utf-8")
        assert re.search(old, text, re.M), old
        path.write_text(re.sub(old, new, text, count=1, flags=re.M), encoding="utf-8")

    return spoil


LAUGHS = "a: &a [1, 1]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)
SETTING_CASES = [
    Case(f"params: {what}", stages.split.main, spoil, rf"params\.yaml: {said}")
    for what, spoil, said in [
        ("absent", lambda: Path("params.yaml").unlink(), "cannot be read: .*No such file"),
        (
            "a folder",
            lambda: (Path("params.yaml").unlink(), Path("params.yaml").mkdir()),
            "cannot be read: .*Is a directory",
        ),
        ("empty", params(""), "must contain keys and values"),
        ("a list", params("- 1\n"), "must contain keys and values"),
        ("a word", params("gz1"), "must contain keys and values"),
        ("no YAML", params("a: ["), "not YAML: "),
        ("tabs", params("split:\n\tseed: 1\n"), "not YAML: .*cannot start any token"),
        ("a zero byte", params("\0"), "not YAML: "),
        ("Latin-1", params("survey: gz1 # größe\n".encode("latin-1")), "not UTF-8 text at byte 16"),
        ("two documents", params("a: 1\n---\nb: 1\n"), "not YAML: "),
        ("deep", params("[" * 5000), "not YAML: "),
        ("code", params("survey: !!python/object/apply:os.getcwd []\n"), "not YAML: .*python"),
        ("no such day", params("survey: 2020-13-45\n"), "not YAML: "),
        ("a number of 5000 digits", params(f"survey: {'9' * 5000}\n"), "not YAML: "),
        ("a false tag", params('survey: !!int ""\n'), "not YAML: "),
        ("a false date", params("survey: !!timestamp x\n"), "not YAML: "),
        ("a false truth", params("survey: !!bool x\n"), "not YAML: "),
        (
            "a billion laughs",
            params(f"{LAUGHS}survey: *k\n"),
            "survey: must be a valid string, got ",
        ),
        ("laughs in place", setting("^survey: small", f"{LAUGHS}survey: *k"), ".*survey: must be"),
        ("a key that is a list", params("? [a]\n: 1\n"), "not YAML: "),
        ("a key that is a number", setting("^survey", "1: 2\nsurvey"), "1: "),
        ("a key twice", setting("^survey", "survey: gz1\nsurvey"), "survey: occurs twice in the"),
        ("a key missing", setting("^survey", "# survey"), "survey: missing; add it"),
        ("a key misspelt", setting("test_share", "test_shar"), "split.test_share: missing; add it"),
        ("a section empty", setting("^tree:", "tree: ~\ntreex:"), "tree: must be a valid dict"),
        ("a climbing survey", setting("survey: small", "survey: ../etc"), "survey: String must ma"),
        ("a survey with a path", setting("survey: small", "survey: /etc"), "survey: String must m"),
        ("a number in words", setting("learning_rate: 0.01", "learning_rate: 1e-3"), "mlp.learn"),
        (
            "a truth for a number",
            setting("epochs: 50", "epochs: true"),
            "mlp.epochs: must be a val",
        ),
        ("half an epoch", setting("epochs: 50", "epochs: 2.5"), "mlp.epochs: must be a valid inte"),
        ("no epochs", setting("epochs: 50", "epochs: 0"), "mlp.epochs: must be greater than or eq"),
        ("not a number", setting("momentum: 0.9", "momentum: .nan"), "mlp.momentum: must be a fin"),
        ("infinite", setting("momentum: 0.9", "momentum: .inf"), "mlp.momentum: must be a finite"),
        ("negative", setting("learning_rate: 0.01", "learning_rate: -1"), "mlp.learning_rate: mu"),
        ("a share of all", setting("test_share: 0.5", "test_share: 1.0"), "split.test_share: must"),
        ("three views", setting("views: 1", "views: 3"), "cnn.views: must be 1 or 8, got 3"),
        ("no candidates", setting(r"max_depth: \[[^]]*\]", "max_depth: []"), "tree.max_depth: Li"),
        ("no divisor", setting("size: 16", "size: 24"), r"tree.size: must divide pack.size \(32\)"),
        (
            "too many halvings",
            setting(r"filters: \[16, 32, 64\]", "filters: [1, 1, 1, 1, 1, 1]"),
            "cnn.reference.filters: 6 layers reduce 32 pixels to nothing",
        ),
    ]
] + [
    Case(
        "params: no such survey", stages.split.main, setting("small", "smal"), "data/smal: no suc"
    ),
    Case("params: one to train", stages.split.main, setting("30000", "1"), ".*(too few|is left)"),
    Case("params: one to test", stages.split.main, setting("20000", "1"), ".*(too few|is left)"),
    Case(
        "params: hardly any test",
        stages.split.main,
        setting("test_share: 0.5", "test_share: 0.000001"),
        ".*(too few|is left)",
    ),
]

# --- bundles -------------------------------------------------------------------------------------

TREE = Path("models/tree")


def description(**changes: object) -> Callable[[], None]:
    def spoil() -> None:
        path = TREE / "bundle.json"
        content = json.loads(path.read_text(encoding="utf-8")) | changes
        path.write_text(json.dumps(content), encoding="utf-8")

    return spoil


def nodes(**changes: object) -> Callable[[], None]:
    def spoil() -> None:
        with np.load(TREE / "tree.npz") as arrays:
            content = dict(arrays)
        for name, change in changes.items():
            content[name] = change(content[name]) if callable(change) else change
        np.savez(TREE / "tree.npz", **content)

    return spoil


def rewritten(name: str, content: bytes) -> Callable[[], object]:
    return lambda: (TREE / name).write_bytes(content)


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, 1)
    return file.getvalue()


def huge_array() -> None:
    """A header that promises a petabyte."""
    with zipfile.ZipFile(TREE / "tree.npz", "w") as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)}
        )
        archive.writestr("size.npy", header.getvalue())


def network(model: str, **files: str) -> Callable[[], None]:
    def spoil() -> None:
        description(model=model)()
        for name, text in files.items():
            (TREE / name.replace("_", ".", 1)).write_text(text, encoding="utf-8")

    return spoil


def unlisted(spoil: Callable[[], object]) -> Callable[[], None]:
    """Spoil a bundle of before, which lists no hashes of its files."""

    def both() -> None:
        spoil()
        description(files={})()

    return both


BUNDLE_CASES = [
    Case(
        f"bundle: {what}",
        predict("tree", "data/images.npy"),
        unlisted(spoil) if "damag" in said else spoil,
        rf"models/tree{said}",
    )
    for what, spoil, said in [
        ("absent", lambda: shutil.rmtree(TREE), ": no such folder"),
        ("a file", lambda: (shutil.rmtree(TREE), TREE.touch()), ": not a bundle"),
        ("without description", lambda: (TREE / "bundle.json").unlink(), ": not a bundle"),
        (
            "an empty description",
            rewritten("bundle.json", b""),
            "/bundle.json: Invalid JSON: .*train",
        ),
        ("a description cut off", rewritten("bundle.json", b'{"format": 1, '), "/bundle.json: "),
        ("a list", rewritten("bundle.json", b"[]"), "/bundle.json: .*train the model again"),
        ("a deep description", rewritten("bundle.json", b"[" * 100_000), "/bundle.json: "),
        ("not UTF-8", rewritten("bundle.json", b"\xff"), ": not a bundle"),
        ("of tomorrow", description(format=99), "/bundle.json: format 99, but this version rea"),
        ("of other classes", description(classes=["spiral", "elliptical"]), "/bundle.json: classe"),
        ("with a secret", description(secret=1), "/bundle.json: secret: "),
        ("of negative size", description(size=-1), "/bundle.json: size: "),
        ("of another size", description(size=64), ": needs images of 64x64 pixels, got 32x32"),
        ("of unknown kind", description(model="forest"), ": contains a model 'forest'"),
        ("of no calibration", description(calibration=None), "/bundle.json: calibration: "),
        (
            "of a calibration that is no number",
            description(calibration={"slope": float("nan"), "intercept": 0}),
            "/bundle.json: ",
        ),
        (
            "of an infinite calibration",
            description(calibration={"slope": float("inf"), "intercept": 0}),
            "/bundle.json: ",
        ),
        ("a file lost", lambda: (TREE / "tree.npz").unlink(), "/tree.npz: is missing"),
        ("another file", rewritten("tree.npz", b"text"), "/tree.npz: is not the file"),
        ("without weights", lambda: (TREE / "tree.npz").unlink(), "/tree.npz: damaged"),
        ("weights empty", rewritten("tree.npz", b""), "/tree.npz: damaged"),
        ("weights a zip cut off", rewritten("tree.npz", b"PK\3\4" + bytes(90)), "/tree.npz: damag"),
        ("weights text", rewritten("tree.npz", b"text"), "/tree.npz: damaged"),
        ("weights one array", rewritten("tree.npz", npy()), "/tree.npz: damaged"),
        ("weights a huge array", huge_array, "/tree.npz: damaged"),
        ("weights that run code", nodes(left=np.array([Path], dtype=object)), "/tree.npz: damage"),
        ("nodes in a loop", nodes(left=lambda a: a * 0), "/tree.npz: damaged tree"),
        ("nodes beyond the end", nodes(left=lambda a: a + 10**6), "/tree.npz: damaged tree"),
        ("nodes of all lengths", nodes(right=lambda a: a[:1]), "/tree.npz: damaged tree"),
        ("nodes in fractions", nodes(left=lambda a: a + 0.5), "/tree.npz: damaged tree"),
        ("nodes that ask beyond", nodes(feature=lambda a: a + 10**6), "/tree.npz: damaged tree"),
        ("a size of 0", nodes(size=np.int64(0)), "/tree.npz: damaged tree"),
        ("a size that divides nothing", nodes(size=np.int64(7)), "/tree.npz: damaged tree"),
        ("probabilities of 7", nodes(p_spiral=lambda a: a + 7), "/tree.npz: damaged tree"),
        ("no number", nodes(p_spiral=lambda a: a * np.float32(np.nan)), "/tree.npz: damaged tree"),
        ("a CNN without network", network("cnn"), "/network.onnx: damaged network"),
        ("a CNN that is empty", network("cnn", network_onnx=""), "/network.onnx: damaged network"),
        ("a CNN of text", network("cnn", network_onnx="text"), "/network.onnx: damaged network"),
        (
            "a CNN that is another model",
            network("cnn", network_onnx="\x08\x0a"),
            "/network.onnx: damaged network",
        ),
        ("a regression without weights", network("inception"), "/regression.npz: damaged"),
        (
            "a regression of text",
            network("inception", regression_npz="text"),
            "/regression.npz: damaged",
        ),
    ]
]

# --- command lines -------------------------------------------------------------------------------

COMMAND_CASES = [
    Case("command: none", command(), lambda: None, "", 2),
    Case("command: unknown", command("chek"), lambda: None, "(?s).*No such command 'chek'", 2),
    Case("command: unknown option", command("--fast"), lambda: None, "(?s).*No such option", 2),
    Case("command: no survey", command("check"), lambda: None, "(?s).*Missing argument", 2),
    Case("command: two surveys", command("check", "a", "b"), lambda: None, "(?s).*unexpected", 2),
    Case("command: absent survey", command("check", "none"), lambda: None, "none: no such folder;"),
    Case("command: a file", command("check", "params.yaml"), lambda: None, "params.yaml: no such "),
    Case("command: no name", command("check", ""), lambda: None, r"\./images_tr|images_train|.: "),
    Case(
        "command: a zero byte",
        command("check", "a\0b"),
        lambda: None,
        "(?s).*null (byte|character)",
        2,
    ),
    Case("command: a long name", command("check", "a" * 5000), lambda: None, "aaa.*(no such|too)"),
    *(
        Case(f"check: {case.what}", command("check", "data/small"), case.spoil, case.said)
        for case in (*VOTE_CASES[:40:5], *ARCHIVE_CASES[:-8:3], *ARCHIVE_CASES[-8:])
    ),
    *(
        Case(
            f"check: {case.what}",
            command("check", "data/small"),
            case.spoil,
            case.said.partition(".*; pack")[0],
        )
        for case in IMAGE_CASES[::4]
    ),
    Case("predict: no words", predict(), lambda: None, "name a model and its inputs"),
    Case("predict: no such model", predict("forest", "data/images.npy"), lambda: None, "models/fo"),
    Case("predict: no inputs", predict("tree", "none.npy"), lambda: None, "none.npy: No such file"),
]


def classify(*words: str) -> Callable[[], None]:
    return command("classify", *words, "--model", "models/tree", "-o", "out.parquet")


def fits(data: bytes):
    """A folder of one FITS file."""

    def spoil() -> None:
        Path("sky").mkdir()
        Path("sky/1.fits").write_bytes(data)

    return spoil


def nothing() -> None:
    """Spoil nothing: the command itself is wrong."""


CLASSIFY_CASES = [
    Case(f"classify: {what}", classify(*words), spoil, said, status)
    for what, words, spoil, said, status in [
        ("no inputs", (), nothing, "(?s).*Missing argument", 2),
        ("an absent folder", ("none",), nothing, "none: ", 1),
        ("an empty folder", ("sky",), lambda: Path("sky").mkdir(), ".*sky: contains no image", 1),
        ("settings", ("params.yaml",), nothing, ".*params.yaml: ", 1),
        ("an absent list", ("none.csv",), nothing, ".*none.csv: ", 1),
        ("an empty list", ("list.csv",), lambda: Path("list.csv").touch(), ".*list.csv: ", 1),
        (
            "a list of another encoding",
            ("list.csv",),
            lambda: Path("list.csv").write_bytes("id,größe\n".encode("utf-16")),
            ".*list.csv: not UTF-8 text",
            1,
        ),
        (
            "a false table",
            ("list.parquet",),
            lambda: Path("list.parquet").write_bytes(b"PAR1PAR1"),
            ".*list.parquet: ",
            1,
        ),
        ("a cut-off zip", (str(ARCHIVE),), cut(3000), ".*images_training_rev1.zip: is cut off", 1),
        ("three views", (str(ARCHIVE), "--views", "3"), nothing, "(?s).*Invalid value", 2),
        ("no workers", (str(ARCHIVE), "--workers", "0"), nothing, "(?s).*Invalid value", 2),
        ("an agreement in words", (str(ARCHIVE), "--agreement", "much"), nothing, "(?s).*Inval", 2),
        ("an unknown engine", (str(ARCHIVE), "--engine", "steam"), nothing, "(?s).*Invalid val", 2),
    ]
] + [
    Case(
        f"classify: {what}",
        command("classify", str(ARCHIVE), *words),
        spoil,
        said,
        status,
    )
    for what, words, spoil, said, status in [
        ("no bundle", ("--model", "none", "-o", "o.csv"), nothing, ".*none: no such folder", 1),
        (
            "no table",
            ("--model", "models/tree", "-o", "o.txt"),
            nothing,
            "o.txt: unknown suffix",
            1,
        ),
        (
            "a folder for a table",
            ("--model", "models/tree", "-o", "data/o.csv"),
            lambda: Path("data/o.csv").mkdir(),
            "data/o.csv: ",
            1,
        ),
    ]
]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"SIMPLE  =                    T".ljust(2880), id="a header without end"),
        pytest.param(b"SIMPLE  =                    T / cut", id="cut off"),
        pytest.param(PNG[:60], id="a PNG cut off"),
    ],
)
def test_a_bad_fits_file_is_named_in_the_table_and_the_rest_is_classified(project, capsys, data):
    fits(data)()
    Path("sky/2.jpg").write_bytes(JPEG)
    assert outcome(classify("sky"), capsys).status == 3  # as the command's help says
    table = pd.read_parquet("out.parquet")
    assert table["p_spiral"].isna().tolist() == [True, False]
    assert table["error"][0]


CASES = [
    *VOTE_CASES,
    *ARCHIVE_CASES,
    *IMAGE_CASES,
    *SETTING_CASES,
    *BUNDLE_CASES,
    *COMMAND_CASES,
    *CLASSIFY_CASES,
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.what) for case in CASES])
def test_bad_input_ends_in_one_line_that_says_what_to_mend(project, capsys, case):
    case.spoil()
    before = contents(project)
    found = outcome(case.run, capsys)
    assert found.status == case.status
    message = found.said.removeprefix("error: ") if case.status == 1 else found.said
    assert re.match(case.said, message), message
    if case.status == 1:
        assert found.said.startswith("error: ")
        assert "\n" not in found.said
        assert len(found.said) < 6000  # names may be long
    assert contents(project) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_there_are_enough_cases_and_each_has_its_own_name():
    assert len({case.what for case in CASES}) == len(CASES) >= 60


def test_a_folder_that_cannot_be_written_to_is_named(project, capsys):
    """Root may write anywhere: the entry points run as a user who may not."""
    shutil.rmtree("metrics")
    for path in (project, *project.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        found = outcome(stages.split.main, capsys)
    finally:
        os.seteuid(user)
        for path in (project, *project.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert found == (1, "error: data/split.parquet: cannot be written: Permission denied")


def test_control_c_ends_without_a_traceback(capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert outcome(interrupted, capsys) == (130, "")


# --- odd, but good -------------------------------------------------------------------------------


def profiled() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encode(FRAME, icc_profile=profile)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 3
    return encode(FRAME[::-1, ::-1], exif=exif, quality=95)


def animated() -> bytes:
    others = [Image.new("RGB", (48, 48), colour) for colour in ("red", "blue")]
    return png(Image.fromarray(FRAME), save_all=True, append_images=others)


def cmyk() -> bytes:
    file = io.BytesIO()
    Image.fromarray(FRAME).convert("CMYK").save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PNG, id="PNG"),
        pytest.param(png(Image.fromarray(FRAME).convert("RGBA")), id="transparent"),
        pytest.param(animated(), id="animated"),
        pytest.param(cmyk(), id="CMYK"),
        pytest.param(turned(), id="EXIF rotation"),
        pytest.param(profiled(), id="ICC profile"),
        pytest.param(encode(FRAME, icc_profile=b"none"), id="broken ICC profile"),
        pytest.param(encode(FRAME, comment=b"\xff" * 1000), id="comment"),
        pytest.param(encode(FRAME, progressive=True), id="progressive"),
        pytest.param(JPEG + bytes(1000), id="zeros behind"),
    ],
)
def test_an_odd_image_is_the_same_galaxy(project, data):
    packed({"größe \N{MILKY WAY}/5.jpeg": data, "größe \N{MILKY WAY}/6.JPG": JPEG})()
    stages.pack.main()
    odd, plain = np.load("data/images.npy").astype(int)
    assert np.abs(odd - plain).mean() < 6


@pytest.mark.parametrize(
    "spoil",
    [
        votes(*(f"{n},{n % 2},{1 - n % 2},0" for n in range(1, 25)), encoding="utf-8-sig"),
        votes(*(f"{n},{n % 2},{1 - n % 2},0" for n in range(1, 25)), newline="\r\n"),
        votes(*(f" 0{n} , {n % 2}.0,{1 - n % 2}e0,-0.0" for n in range(1, 25)), "", ""),
        votes(*(f'"{n}","{n % 2}","{1 - n % 2}","0"' for n in range(24, 0, -1))),
    ],
    ids=["byte order mark", "CRLF", "spaces, zeros and blank lines", "quotes, backwards"],
)
def test_odd_votes_are_read_as_they_are_meant(project, spoil):
    spoil()
    table = read_votes(CSV)
    assert table["galaxy_id"].tolist() == list(range(1, GALAXIES + 1))
    assert np.array_equal(table["p_smooth"] == 1, table["galaxy_id"] % 2 == 1)
    stages.split.main()


# --- noise ---------------------------------------------------------------------------------------


def noisy(data: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some replaced, left out or put in, or cut off; or nothing but noise."""

    def spoil(places: list[tuple[int, int, bytes]], end: int) -> bytes:
        spoilt = data[:end]
        for start, length, new in places:
            spoilt = spoilt[:start] + new + spoilt[start + length :]
        return spoilt

    place = st.tuples(st.integers(0, len(data)), st.integers(0, 4), st.binary(max_size=4))
    end = st.one_of(st.just(len(data)), st.integers(0, len(data)))
    return st.one_of(st.binary(max_size=200), st.builds(spoil, st.lists(place, max_size=4), end))


EXIF = turned()
SMALL = encode(FRAME[:8, :8])
KINDS = "acTL bKGD cHRM eXIf fcTL fdAT gAMA iCCP iTXt pHYs sRGB tEXt tRNS zTXt IDAT IEND IHDR PLTE"
CHUNKS = st.builds(
    chunk, st.sampled_from(KINDS.encode().split()), st.binary(max_size=40) | noisy(PNG[16:29])
)
CHUNKED = st.builds(
    lambda *chunks: PNG[:33] + b"".join(chunks) + PNG[33:], *[CHUNKS | st.just(b"")] * 3
)


@settings(max_examples=1000)
@given(noisy(JPEG) | noisy(PNG) | noisy(EXIF) | noisy(SMALL) | CHUNKED)
# Pillow warns of EXIF data that it then ignores.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_noise_in_an_image_is_refused_or_decoded(data):
    with contextlib.suppress(UnreadableImageError):
        assert decode_image(data).mode == "RGB"


ROWS = "\n".join([HEADER, *(f"{n},0.25,0.75,0" for n in range(1, 9)), ""]).encode()


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noisy(ROWS))
def test_noise_in_votes_is_refused_or_read(tmp_path, data):
    path = tmp_path / VOTES
    path.write_bytes(data)
    with contextlib.suppress(GalaxiesError):
        table = read_votes(path)
        assert table["galaxy_id"].is_unique
        assert table["p_smooth"].between(0, 1).all()


def zipped(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number in range(3):
            archive.writestr(f"{number}.jpg", SMALL)
    return file.getvalue()


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(*(noisy(zipped(method)) for method in METHODS)))
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_noise_in_an_archive_is_refused_or_read(tmp_path, data):
    path = tmp_path / IMAGES
    path.write_bytes(data)
    with contextlib.suppress(GalaxiesError):
        members = list_images(path)
        with open_archive(path) as file:
            for member in members:
                with contextlib.suppress(UnreadableImageError):
                    assert read_image(file, member.name).mode == "RGB"
