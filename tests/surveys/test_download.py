"""Real surveys downloaded from a local server that behaves as the real ones do, and misbehaves."""

import base64
import gzip
import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from kagglesdk import kaggle_env
from typer.testing import CliRunner

from galaxies.cli import app
from galaxies.dataset.archive import list_images
from galaxies.dataset.layout import IMAGES, VOTES, read_campaign
from galaxies.errors import GalaxiesError
from galaxies.surveys.download import fetch as fetching
from galaxies.surveys.download import galaxy_zoo_2, kaggle
from galaxies.surveys.download.fetch import fetch
from galaxies.surveys.download.galaxy_zoo_2 import (
    download_gz2,
    fraction_columns,
    kaggle_votes,
)
from galaxies.surveys.download.kaggle import COMPETITION, download_kaggle
from tests.conftest import encode, real_data

WEIGHTED = fraction_columns("weighted")

AMONG_OTHERS = ("count", "weight", "fraction", "weighted_fraction", "debiased", "flag")


class Server(ThreadingHTTPServer):
    """Serves `files` by path, in ranges; `trouble` says how it misbehaves."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.breaks: dict[str, list[int]] = {}  # bytes after which the next answers break off
        self.refuses: list[int] = []  # statuses of the next answers
        self.ranges = True
        self.asked: list[str] = []  # path and range of every request
        self.token = "right"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def end(self, status, headers=()):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        if "Content-Length" not in dict(headers):
            self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):  # Kaggle's service, as kagglehub calls it
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(f"{self.path} {request['fileName']}")
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            return self.end(401)
        if self.server.refuses:
            return self.end(self.server.refuses.pop(0))
        assert self.path == "/v1/competitions.CompetitionApiService/DownloadDataFile"
        assert request["competitionName"] == COMPETITION
        if f"/{request['fileName']}" not in self.server.files:
            return self.end(404)
        return self.end(302, {"Location": f"{self.server.url}/{request['fileName']}"})

    def do_GET(self):
        asked = self.headers.get("Range", "")
        self.server.asked.append(f"{self.path} {asked}".strip())
        if self.path in self.server.moved:
            return self.end(301, {"Location": self.server.moved[self.path]})
        if self.server.refuses:
            return self.end(self.server.refuses.pop(0))
        if self.path not in self.server.files:
            return self.end(404)
        data = self.server.files[self.path]
        headers = {
            "Content-Type": "application/octet-stream",
            "Last-Modified": "Fri, 20 Dec 2013 00:00:00 GMT",
            # Storage may call a .gz an encoding, which a client must not undo.
            "Content-Encoding": "gzip" if self.path.endswith(".gz") else "identity",
            "x-goog-hash": "md5=" + base64.b64encode(hashlib.md5(data).digest()).decode(),
        }
        start = 0
        if self.server.ranges:
            headers["Accept-Ranges"] = "bytes"
            if asked:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if asked and self.server.ranges and start >= len(data):
            return self.end(416, {"Content-Range": f"bytes */{len(data)}"})
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.end(206 if start else 200, headers | {"Content-Length": str(len(data) - start)})
        breaks = self.server.breaks.get(self.path)
        stop = start + breaks.pop(0) if breaks else len(data)
        self.wfile.write(data[start:stop])
        self.close_connection = True
        return None


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "_WAIT", 0.0)
    with Server() as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


# --- one file


DATA = np.random.default_rng(1).bytes(300_000)
MD5 = hashlib.md5(DATA).hexdigest()


def get(server, folder, md5=MD5):
    return fetch(f"{server.url}/a.bin", folder, md5=md5, page="https://example.org")


@pytest.mark.parametrize("md5", [MD5, None])
def test_a_broken_connection_goes_on_where_it_stopped(server, tmp_path, md5):
    server.files["/a.bin"] = DATA
    server.breaks["/a.bin"] = [100_000, 0, 0, 50_000, 0, 0, 0, 1]
    assert get(server, tmp_path, md5).read_bytes() == DATA
    starts = [0, *[100_000] * 3, *[150_000] * 4, 150_001]
    assert server.asked == ["/a.bin", *(f"/a.bin bytes={start}-" for start in starts[1:])]
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    # It is not asked for again.
    assert get(server, tmp_path, md5).read_bytes() == DATA
    assert len(server.asked) == len(starts)


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.files["/a.bin"] = DATA
    server.breaks["/a.bin"] = [120_000, 0, 0, 0, 0]
    with pytest.raises(GalaxiesError, match=r"a\.bin: no stable connection") as caught:
        get(server, tmp_path)
    assert "it continues after the 120,000 bytes received so far" in str(caught.value)
    assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked[-1] == "/a.bin bytes=120000-"


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.files["/a.bin"] = DATA
    server.ranges = False
    server.breaks["/a.bin"] = [120_000]
    assert get(server, tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("part", [DATA, DATA + b"more"])
def test_a_part_that_is_whole_or_too_long_is_seen_through(server, tmp_path, part):
    server.files["/a.bin"] = DATA
    (tmp_path / "a.bin.part").write_bytes(part)
    assert get(server, tmp_path).read_bytes() == DATA


def test_a_wrong_checksum_is_refused_and_nothing_of_it_stays(server, tmp_path):
    server.files["/a.bin"] = DATA[:-1] + b"?"
    with pytest.raises(GalaxiesError) as caught:
        get(server, tmp_path)
    assert str(caught.value) == (
        f"{server.url}/a.bin: the file differs from the published one (MD5 {MD5}) and was "
        f"deleted; run this again, or look for a.bin at https://example.org, "
        f"put it into {tmp_path}, and run this again"
    )
    assert list(tmp_path.iterdir()) == []
    server.files["/a.bin"] = DATA
    assert get(server, tmp_path).read_bytes() == DATA


def test_a_moved_file_is_followed_and_a_lost_one_said(server, tmp_path):
    server.files["/new/a.bin"] = DATA
    with pytest.raises(GalaxiesError) as caught:
        get(server, tmp_path)
    assert str(caught.value) == (
        f"{server.url}/a.bin: not available (HTTP 404); look for a.bin at "
        f"https://example.org, put it into {tmp_path}, and run this again"
    )
    assert server.asked == ["/a.bin"]
    server.moved["/a.bin"] = "/new/a.bin"
    server.breaks["/new/a.bin"] = [1000]
    assert get(server, tmp_path).read_bytes() == DATA
    assert server.asked[-1] == "/new/a.bin bytes=1000-"


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.files["/a.bin"] = DATA
    server.refuses = [503, 429, 500]
    assert get(server, tmp_path).read_bytes() == DATA


def test_no_server_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "_WAIT", 0.0)
    for url in ("http://127.0.0.1:1/a.bin", "mirror/a.bin"):
        with pytest.raises(GalaxiesError, match=r"a\.bin: no stable connection"):
            fetch(url, tmp_path, md5=None, page="")


# --- Galaxy Zoo 2


def test_kaggles_columns_are_the_questions_in_order():
    assert len(WEIGHTED) == 37
    assert list(WEIGHTED)[:5] == [
        "Class1.1",
        "Class1.2",
        "Class1.3",
        "Class2.1",
        "Class2.2",
    ]
    assert WEIGHTED["Class8.7"] == "t08_odd_feature_a38_dust_lane_weighted_fraction"
    assert list(WEIGHTED)[-1] == "Class11.6"


@settings(max_examples=25)
@given(arrays(np.float64, (3, 37), elements=st.floats(0, 1)))
def test_a_vote_is_at_most_the_vote_that_leads_to_it(fractions):
    catalogue = pd.DataFrame(fractions, columns=list(WEIGHTED.values()))
    votes = kaggle_votes(catalogue)
    assert votes.columns.tolist() == list(WEIGHTED)
    assert ((votes >= 0) & (votes <= 1)).all(axis=None)
    for question, leads_here in {
        2: "1.2",
        5: "2.2",
        7: "1.1",
        8: "6.1",
        9: "2.1",
        11: "4.1",
    }.items():
        answers = votes.filter(regex=rf"^Class{question}\.")
        assert (answers.max(axis=1) <= votes[f"Class{leads_here}"]).all()
    for question in ("1", "6"):
        total = votes.filter(regex=rf"^Class{question}\.").sum(axis=1)
        assert np.all(np.isclose(total, 1, atol=2e-6) | (total == 0))


def test_real_votes_come_back_from_the_shares_that_made_them():
    """Kaggle's columns of real galaxies, divided by what leads to them, are the catalogue's."""
    votes = pd.read_csv(real_data() / "gz2" / VOTES)
    catalogue = pd.DataFrame(index=votes.index)
    parents = {2: "1.2", 3: "2.2", 4: "2.2", 5: "2.2", 7: "1.1"}
    parents |= {8: "6.1", 9: "2.1", 10: "4.1", 11: "4.1"}
    for column, fraction in WEIGHTED.items():
        parent = parents.get(int(column.removeprefix("Class").partition(".")[0]))
        catalogue[fraction] = votes[column] / (votes[f"Class{parent}"] if parent else 1.0)
    pd.testing.assert_frame_equal(
        kaggle_votes(catalogue), votes.drop(columns="GalaxyID"), atol=2.1e-6, rtol=0
    )


def test_rounded_fractions_are_made_to_sum_to_one():
    catalogue = pd.DataFrame([dict.fromkeys(WEIGHTED.values(), 0.0)])
    for name, fraction in [
        ("smooth", 0.933),
        ("features_or_disk", 0.033),
        ("star_or_artifact", 0.033),
    ]:
        number = {"smooth": 1, "features_or_disk": 2, "star_or_artifact": 3}[name]
        catalogue[f"t01_smooth_or_features_a0{number}_{name}_weighted_fraction"] = fraction
    votes = kaggle_votes(catalogue).iloc[0]
    assert votes[["Class1.1", "Class1.2", "Class1.3"]].tolist() == [0.933934, 0.033033, 0.033033]
    assert votes[3:].eq(0).all()


GALAXIES = {  # asset_id: objid
    16: 587722981742084144,
    17: 587722981741363323,
    99: 587722981741559888,
    1001: 588017703996096547,
}


def frame(asset_id):
    return encode(np.full((424, 424, 3), asset_id % 251, np.uint8))


def published_files() -> dict[str, bytes]:
    """The three files in the form in which they are published, of four galaxies."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as images:
        images.writestr("images/", b"")
        for asset_id in [1001, 16, 17, 500]:  # 99 has no image, 500 no votes
            images.writestr(f"images/{asset_id}.jpg", frame(asset_id))
            images.writestr(f"__MACOSX/images/._{asset_id}.jpg", b"Mac OS X")
        images.writestr("images/.DS_Store", b"x")
        images.writestr("images/notes.txt", b"x")
    mapping = ["objid,sample,asset_id"]
    mapping += [f"{objid},original,{asset_id}" for asset_id, objid in GALAXIES.items()]
    mapping += [f"{GALAXIES[16]},stripe82,260000", "588848900000000000,original,500"]

    fractions = dict.fromkeys(WEIGHTED.values(), 0.0)
    rows = []
    for place, objid in enumerate([*GALAXIES.values(), 587700000000000000]):
        votes = fractions | {
            "t01_smooth_or_features_a01_smooth_weighted_fraction": [0.6, 0.2, 0.3, 0.0, 1.0][place],
            "t01_smooth_or_features_a02_features_or_disk_weighted_fraction": [
                0.395,
                0.8,
                0.7,
                0.1,
                0,
            ][place],
            "t01_smooth_or_features_a03_star_or_artifact_weighted_fraction": [0.005, 0, 0, 0.9, 0][
                place
            ],
            "t02_edgeon_a04_yes_weighted_fraction": 0.25,
            "t02_edgeon_a05_no_weighted_fraction": 0.75,
            "t04_spiral_a08_spiral_weighted_fraction": 0.5,
            "t04_spiral_a09_no_spiral_weighted_fraction": 0.5,
            "t10_arms_winding_a28_tight_weighted_fraction": 0.1,
            "t10_arms_winding_a29_medium_weighted_fraction": 0.9,
        }
        row = {"dr7objid": objid, "ra": 160.9, "dec": -0.7, "rastring": "10:43:57.70"}
        row |= {"decstring": "-00:43:04.4", "sample": "original", "gz2_class": "Sc+t"}
        row |= {"total_classifications": 44, "total_votes": 306}
        for name, fraction in votes.items():
            answer = name.removesuffix("weighted_fraction")
            row |= {f"{answer}{kind}": 1 for kind in AMONG_OTHERS} | {name: fraction}
        rows.append(row)
    catalogue = pd.DataFrame(rows).to_csv(index=False).encode()
    return {
        "images_gz2.zip": archive.getvalue(),
        "gz2_filename_mapping.csv": ("\n".join(mapping) + "\n").encode(),
        "gz2_hart16.csv.gz": gzip.compress(catalogue),
    }


@pytest.fixture
def zenodo(server, monkeypatch):
    """The server as a mirror whose checksums are the published ones."""
    files = published_files()
    for source in ("_MAPPING", "_ARCHIVE"):
        was = getattr(galaxy_zoo_2, source)
        md5 = hashlib.md5(files[was.url.rpartition("/")[2]]).hexdigest()
        monkeypatch.setattr(galaxy_zoo_2, source, was._replace(md5=md5))
    server.files = {f"/gz2/{name}": data for name, data in files.items()}
    return server


def test_galaxy_zoo_2_becomes_a_survey(zenodo, tmp_path):
    zenodo.breaks = {"/gz2/images_gz2.zip": [1000, 5000], "/gz2/gz2_hart16.csv.gz": [10]}
    output = tmp_path / "data/gz2"
    command = ["download", "gz2", "-o", str(output), "--mirror", f"{zenodo.url}/gz2/"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert f"{output}: 3 images, 3 rows of votes" in done.output

    votes = pd.read_csv(output / VOTES, dtype=str).set_index("GalaxyID")
    assert votes.columns.tolist() == [*WEIGHTED, "dr7objid"]
    assert votes.index.tolist() == ["16", "17", "1001"]
    first = votes.loc["16"]
    assert first["dr7objid"] == str(GALAXIES[16])
    assert (first["Class1.1"], first["Class1.2"], first["Class1.3"]) == (
        "0.600000",
        "0.395000",
        "0.005000",
    )
    assert first["Class2.1"] == "0.098750"
    assert float(first["Class10.1"]) == pytest.approx(0.395 * 0.75 * 0.5 * 0.1, abs=1e-6)
    with zipfile.ZipFile(output / IMAGES) as archive:
        images = {m.galaxy_id: archive.read(m.name) for m in list_images(output / IMAGES)}
    assert images == {asset_id: frame(asset_id) for asset_id in (16, 17, 1001)}
    assert read_campaign(output).name == "gz2"

    assert [path.name for path in (tmp_path / "data").iterdir()] == ["gz2"]
    checked = CliRunner().invoke(app, ["check", str(output)])
    assert checked.exit_code == 0
    asked = len(zenodo.asked)
    with pytest.raises(GalaxiesError, match="exists; --overwrite replaces it"):
        download_gz2(output, mirror=f"{zenodo.url}/gz2")
    assert len(zenodo.asked) == asked
    before = [(output / name).read_bytes() for name in (IMAGES, VOTES)]
    download_gz2(output, mirror=f"{zenodo.url}/gz2", overwrite=True)
    assert [(output / name).read_bytes() for name in (IMAGES, VOTES)] == before


def test_debiased_fractions_stand_beside_kaggles(zenodo, tmp_path):
    output = tmp_path / "data/debiased"
    done = CliRunner().invoke(
        app,
        f"download gz2 --votes debiased -o {output} --mirror {zenodo.url}/gz2/".split(),
    )
    assert done.exit_code == 0, done.output
    assert read_campaign(output).name == "kaggle"
    assert "campaign kaggle" in done.output
    assert fraction_columns("debiased")["Class4.1"] == "t04_spiral_a08_spiral_debiased"
    weighted, debiased = tmp_path / "data/weighted", pd.read_csv(output / VOTES)
    download_gz2(weighted, mirror=f"{zenodo.url}/gz2")
    assert not debiased.equals(pd.read_csv(weighted / VOTES))


def test_the_published_addresses_are_used_without_a_mirror(zenodo, monkeypatch, tmp_path):
    for source in ("_MAPPING", "_CATALOGUE", "_ARCHIVE"):
        was = getattr(galaxy_zoo_2, source)
        assert was.url.startswith(("https://zenodo.org/records/3565489/files/", "https://gz2hart."))
        name = was.url.rpartition("/")[2]
        monkeypatch.setattr(galaxy_zoo_2, source, was._replace(url=f"{zenodo.url}/gz2/{name}"))
    assert download_gz2(tmp_path / "gz2").common == 3


def test_what_came_is_kept_when_a_file_is_lost_or_wrong(zenodo, tmp_path):
    archive = zenodo.files.pop("/gz2/images_gz2.zip")
    mirror = f"{zenodo.url}/gz2"
    with pytest.raises(GalaxiesError) as caught:
        download_gz2(tmp_path / "gz2", mirror=mirror)
    kept = tmp_path / ".gz2.download"
    assert f"images_gz2.zip at https://zenodo.org/records/3565489, put it into {kept}" in str(
        caught.value
    )
    assert sorted(path.name for path in kept.iterdir()) == [
        "gz2_filename_mapping.csv",
        "gz2_hart16.csv.gz",
    ]
    zenodo.files["/gz2/images_gz2.zip"] = archive[:-1]
    with pytest.raises(GalaxiesError, match="differs from the published one"):
        download_gz2(tmp_path / "gz2", mirror=mirror)
    assert not (tmp_path / "gz2").exists()
    # Downloaded by hand, as the message said.
    (kept / "images_gz2.zip").write_bytes(archive)
    zenodo.asked.clear()
    assert download_gz2(tmp_path / "gz2", mirror=mirror).images == 3
    assert zenodo.asked == []


@pytest.mark.parametrize(
    "damaged",
    [
        b"<html>Sign in</html>",
        gzip.compress(b"dr7objid,ra\n1,2\n", mtime=0),
        gzip.compress(np.random.default_rng(1).bytes(5000), mtime=0)[:-100],
        b"",
    ],
)
def test_a_catalogue_that_is_none_is_thrown_away(zenodo, tmp_path, damaged):
    right = zenodo.files["/gz2/gz2_hart16.csv.gz"]
    zenodo.files["/gz2/gz2_hart16.csv.gz"] = damaged
    mirror = f"{zenodo.url}/gz2"
    with pytest.raises(GalaxiesError, match=r"gz2_hart16\.csv\.gz: not the expected file"):
        download_gz2(tmp_path / "gz2", mirror=mirror)
    zenodo.files["/gz2/gz2_hart16.csv.gz"] = right
    assert download_gz2(tmp_path / "gz2", mirror=mirror).images == 3


def test_files_that_do_not_belong_together_are_refused(zenodo, tmp_path):
    table = pd.read_csv(io.BytesIO(gzip.decompress(zenodo.files["/gz2/gz2_hart16.csv.gz"])))
    table["dr7objid"] = [1, 2, 3, 4, 5]
    zenodo.files["/gz2/gz2_hart16.csv.gz"] = gzip.compress(table.to_csv(index=False).encode())
    with pytest.raises(GalaxiesError, match="have no galaxy with an image in common"):
        download_gz2(tmp_path / "gz2", mirror=f"{zenodo.url}/gz2")


# --- Kaggle


@pytest.fixture
def challenge(server, monkeypatch, tmp_path):
    """The server as Kaggle, and a home with a token."""
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLEHUB_CACHE", "KAGGLE_API_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "right")
    # To name the caller, kagglehub looks at every function on the stack; pytest's take seconds.
    monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "kagglehub")
    images, votes = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(images, "w") as archive:
        for galaxy_id in (100008, 100023, 100053):
            # Large enough to break between two of kagglehub's pieces of 1 MiB.
            noise = np.random.default_rng(galaxy_id).integers(0, 256, (424, 424, 3), np.uint8)
            archive.writestr(f"images_training_rev1/{galaxy_id}.jpg", encode(noise, quality=100))
    table = pd.DataFrame({column: [0.0] * 3 for column in WEIGHTED})
    table[["Class1.1", "Class1.2"]] = [[0.383147, 0.616853], [0.327001, 0.663777], [0.77, 0.23]]
    table.insert(0, "GalaxyID", [100008, 100023, 100053])
    with zipfile.ZipFile(votes, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(VOTES, table.to_csv(index=False))
    server.files = {
        f"/{IMAGES}": images.getvalue(),
        "/training_solutions_rev1.zip": votes.getvalue(),
    }
    return server


def test_kaggles_files_become_a_survey(challenge, tmp_path):
    challenge.breaks = {f"/{IMAGES}": [1_060_000], "/training_solutions_rev1.zip": [200]}
    output = tmp_path / "data/kaggle"
    done = CliRunner().invoke(app, ["download", "kaggle", "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert f"{output}: 3 images, 3 rows of votes" in done.output
    assert f"/{IMAGES} bytes={1 << 20}-" in challenge.asked
    assert (output / IMAGES).read_bytes() == challenge.files[f"/{IMAGES}"]
    assert (output / VOTES).read_text().startswith("GalaxyID,Class1.1,Class1.2,Class1.3,Class2.1")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["kaggle"]
    assert CliRunner().invoke(app, ["check", str(output)]).exit_code == 0


def test_a_missing_or_unknown_token_says_what_to_do(challenge, monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "wrong")
    with pytest.raises(GalaxiesError, match=r"does not know the token \(HTTP 401\); make one at"):
        download_kaggle(tmp_path / "kaggle")
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    with pytest.raises(GalaxiesError, match="no token was found; make one at https://www"):
        download_kaggle(tmp_path / "kaggle")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/kaggle.json").write_text("{")
    with pytest.raises(GalaxiesError, match=r"Invalid Kaggle credentials .*; make one at"):
        download_kaggle(tmp_path / "kaggle")
    assert not (tmp_path / "kaggle").exists()


def test_rules_that_are_not_accepted_say_where(challenge, tmp_path):
    challenge.refuses = [403]
    with pytest.raises(GalaxiesError) as caught:
        download_kaggle(tmp_path / "kaggle")
    assert str(caught.value) == (
        "Kaggle does not provide training_solutions_rev1.zip (HTTP 403) before the challenge's "
        "rules are accepted; do so at https://www.kaggle.com/competitions/"
        "galaxy-zoo-the-galaxy-challenge/rules, with the token's account, and run this again"
    )
    assert download_kaggle(tmp_path / "kaggle").images == 3


def test_a_lost_file_and_a_busy_server(challenge, tmp_path):
    challenge.refuses = [503, 500]
    images = challenge.files.pop(f"/{IMAGES}")
    with pytest.raises(
        GalaxiesError, match=r"images_training_rev1\.zip \(HTTP 404\); check whether"
    ):
        download_kaggle(tmp_path / "kaggle")
    challenge.files[f"/{IMAGES}"] = images
    assert download_kaggle(tmp_path / "kaggle").images == 3


def test_a_download_that_differs_from_kaggles_checksum_is_thrown_away(challenge, tmp_path):
    folder = tmp_path / ".kaggle.download/competitions" / COMPETITION
    folder.mkdir(parents=True)
    (folder / IMAGES).write_bytes(bytes(500))
    with pytest.raises(GalaxiesError, match=r"images_training_rev1\.zip: arrived damaged"):
        download_kaggle(tmp_path / "kaggle")
    assert not (folder / IMAGES).exists()
    assert download_kaggle(tmp_path / "kaggle").images == 3


def test_an_archive_that_is_damaged_at_kaggle_is_thrown_away(challenge, tmp_path):
    whole = challenge.files[f"/{IMAGES}"]
    challenge.files[f"/{IMAGES}"] = whole[:500_000] + bytes(20) + whole[500_020:]
    with pytest.raises(GalaxiesError, match=r"member .*100.*jpg. is damaged"):
        download_kaggle(tmp_path / "kaggle")
    challenge.files[f"/{IMAGES}"] = whole[:-30]
    with pytest.raises(GalaxiesError, match="is cut off or not a zip archive"):
        download_kaggle(tmp_path / "kaggle")
    challenge.files[f"/{IMAGES}"] = whole
    assert download_kaggle(tmp_path / "kaggle").images == 3
    assert "KAGGLEHUB_CACHE" not in kaggle.os.environ
