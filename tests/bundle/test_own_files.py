"""A bundle is predicted with only if its files are those that it was written with."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from galaxies.bundle.description import file_hashes, read_description
from galaxies.bundle.folder import copy_recalibrated
from galaxies.bundle.predictor import Predictor
from galaxies.bundle.pretrained import DESCRIPTION, PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.models import backward
from galaxies.models.saved_network import GRADIENT, NETWORK

IMAGES = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
PARTS = sorted(read_description(PRETRAINED / "real").files)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PRETRAINED / "real", tmp_path / "real"))


def without_hashes(bundle: Path) -> Path:
    """As an earlier version wrote it."""
    contents = json.loads((bundle / DESCRIPTION).read_text())
    del contents["files"]
    (bundle / DESCRIPTION).write_text(json.dumps(contents))
    return bundle


@pytest.mark.parametrize("name", ["real", "simulated"])
def test_the_pretrained_bundles_have_the_hashes_of_their_files(name):
    folder = PRETRAINED / name
    assert read_description(folder).files == file_hashes(folder)
    assert {NETWORK, GRADIENT, "familiarity.npz"} <= set(file_hashes(folder))


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_another_bundle_is_refused(bundle, name):
    other = PRETRAINED / "simulated" / name
    content = other.read_bytes() if other.exists() else b"PK"
    (bundle / name).write_bytes(content)
    with pytest.raises(GalaxiesError, match=rf"real/{name}: is not the file that the bundle was"):
        Predictor(bundle)


@pytest.mark.parametrize("name", PARTS)
def test_a_missing_part_is_named(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(GalaxiesError, match=rf"real/{name}: is missing; copy the whole bundle"):
        Predictor(bundle)


def test_notes_about_a_bundle_are_no_part_of_it(bundle):
    (bundle / "README.md").write_text("From the autumn's run.")
    Predictor(bundle)


def test_a_part_that_was_added_is_refused(bundle):
    (bundle / "more.npz").write_bytes(b"PK")
    with pytest.raises(GalaxiesError, match=r"real/more\.npz: is not the file"):
        Predictor(bundle)


def test_what_a_system_leaves_in_folders_is_no_part(bundle):
    (bundle / ".DS_Store").write_bytes(b"Mac")
    Predictor(bundle).predict(IMAGES)


def test_a_bundle_without_hashes_is_read(bundle):
    old = without_hashes(bundle)
    (old / "learned.npz").unlink()
    assert read_description(old).files == {}
    np.testing.assert_array_equal(
        Predictor(old).predict(IMAGES).p_spiral,
        Predictor(PRETRAINED / "real").predict(IMAGES).p_spiral,
    )


def test_a_copy_has_the_hashes_of_its_files(bundle, tmp_path):
    copy = tmp_path / "copy"
    copy_recalibrated(without_hashes(bundle), copy, read_description(bundle))
    assert read_description(copy).files == file_hashes(bundle)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_give_no_answers(bundle, value):
    old = without_hashes(bundle)
    model = onnx.load(old / NETWORK)
    [kernel] = [one for one in model.graph.initializer if one.name == "answers/kernel"]
    numbers = numpy_helper.to_array(kernel).copy()
    numbers[0, 0] = value
    kernel.CopyFrom(numpy_helper.from_array(numbers, kernel.name))
    (old / NETWORK).write_bytes(model.SerializeToString())
    with pytest.raises(GalaxiesError, match=r"real: its model answers with what is not a number"):
        Predictor(old).predict(IMAGES)


def test_a_gradient_that_is_added_is_listed(bundle, monkeypatch, capsys):
    (bundle / GRADIENT).unlink()
    monkeypatch.setattr("sys.argv", ["backward", str(bundle)])
    backward.main()
    assert capsys.readouterr().out == f"{bundle}: {GRADIENT} written\n"
    assert read_description(bundle).files == file_hashes(bundle)
    (bundle / "learned.npz").write_bytes(b"PK")
    with pytest.raises(GalaxiesError, match=r"learned\.npz: is not the file"):
        backward.main()
