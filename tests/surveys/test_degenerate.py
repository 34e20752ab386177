"""`galaxies check` and the stages `pack` and `split` agree about every survey."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import stages.pack
import stages.split
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from tests.conftest import ROOT, draw_galaxy, encode, write_survey

ELLIPTICAL, SPIRAL, ARTIFACT = "1,0,0", "0,1,0", "0,0,1"
SOFT = "0.6,0.3,0.1", "0.2,0.7,0.1"


def frames(kind: str, count: int) -> list[bytes]:
    random = np.random.default_rng(5)
    drawn = [draw_galaxy(random, bool(n % 2), side=48) for n in range(count)]
    if kind == "identical":
        drawn = [drawn[0]] * count
    elif kind == "pairs":
        drawn = [drawn[n // 2] for n in range(count)]
    elif kind == "black":
        drawn = [np.zeros_like(one) for one in drawn]
    elif kind == "a strip":
        drawn[3] = np.zeros((1, 48, 3), np.uint8)
    data = [encode(one) for one in drawn]
    if kind == "one damaged":
        data[-2] = data[-2][:-200]
    return data


SURVEYS = {
    "as it should be": ("drawn", [ELLIPTICAL, SPIRAL] * 12),
    "soft votes": ("drawn", [*SOFT] * 12),
    "three galaxies": ("drawn", [ELLIPTICAL, SPIRAL, ELLIPTICAL]),
    "one galaxy": ("drawn", [SPIRAL]),
    "one class, chosen by it": ("drawn", [ELLIPTICAL] * 24),
    "one class, soft": ("drawn", [SOFT[0]] * 24),
    "all artifacts": ("drawn", [ARTIFACT] * 24),
    "artifacts, soft": ("drawn", ["0.1,0.1,0.8"] * 24),
    "one galaxy of a class": ("drawn", [ELLIPTICAL] * 23 + [SPIRAL]),
    "two of a class": ("drawn", [ELLIPTICAL] * 22 + [SPIRAL] * 2),
    "three of a class": ("drawn", [ELLIPTICAL] * 21 + [SPIRAL] * 3),
    "four of a class": ("drawn", [ELLIPTICAL] * 20 + [SPIRAL] * 4),
    "identical images": ("identical", [ELLIPTICAL, SPIRAL] * 12),
    "identical images of one class": ("identical", [ELLIPTICAL] * 24),
    "each image twice": ("pairs", [ELLIPTICAL, ELLIPTICAL, SPIRAL, SPIRAL] * 6),
    "a class that is one image": ("pairs", [ELLIPTICAL] * 22 + [SPIRAL] * 2),
    "black images": ("black", [ELLIPTICAL, SPIRAL] * 12),
    "a strip": ("a strip", [ELLIPTICAL, SPIRAL] * 12),
    "a damaged image": ("one damaged", [ELLIPTICAL, SPIRAL] * 12),
    "sums of 2.4": ("drawn", ["0.8,0.8,0.8", ELLIPTICAL] * 12),
    "no votes on the first question": ("drawn", [",,"] * 24),
    "votes on a few": ("drawn", [",,"] * 18 + [ELLIPTICAL, SPIRAL] * 3),
    "disputed": ("drawn", ["0.34,0.33,0.33", "0.33,0.34,0.33"] * 12),
}


@pytest.mark.parametrize("what", SURVEYS)
def test_check_and_the_pipeline_agree(tmp_path, monkeypatch, what):
    kind, rows = SURVEYS[what]
    data = frames(kind, len(rows))
    write_survey(
        tmp_path / "data/small",
        {f"{number}.jpg": one for number, one in enumerate(data, 1)},
        [f"{number},{row}" for number, row in enumerate(rows, 1)],
    )
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("survey: simulated", "survey: small")
    Path(tmp_path, "params.yaml").write_text(params, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    refused = None
    try:
        stages.pack.main()
        stages.split.main()
    except GalaxiesError as error:
        refused = str(error)
    done = CliRunner().invoke(app, ["check", "data/small"])
    if refused is None:
        assert (done.exception, done.exit_code) == (None, 0)
        assert "The pipeline can use this survey" in done.output
    else:
        assert isinstance(done.exception, GalaxiesError), done.output
        # The stages name files with the same paths, or the reason alone.
        reason = re.sub(r"; pack\.max_unreadable allows .*", "", refused)
        assert reason.split(": ")[-1][:40] in str(done.exception)
        assert "The pipeline can use this survey" not in done.output
    if what == "as it should be":
        assert refused is None
    if what in ("three galaxies", "one class, chosen by it", "all artifacts", "identical images"):
        assert refused is not None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (True, "The pipeline cannot train on this survey alone: the votes give "),
        (False, "The files are valid. Where a params.yaml is, check also splits them"),
    ],
)
def test_elsewhere_a_survey_that_cannot_be_split_is_described(
    settings, said, tmp_path, monkeypatch
):
    rows = [f"{number},{ELLIPTICAL}" for number in (1, 2)]
    members = {f"{number}.jpg": data for number, data in enumerate(frames("drawn", 2), 1)}
    survey = write_survey(tmp_path / "mine", members, rows)
    monkeypatch.chdir(ROOT if settings else tmp_path)
    done = CliRunner().invoke(app, ["check", str(survey)])
    assert done.exit_code == 0, done.output
    assert said in done.output
    assert "The pipeline can use" not in done.output
