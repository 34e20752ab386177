"""What a bundle has learned from."""

import numpy as np
import pytest

from galaxies.base.fingerprints import fingerprints
from galaxies.bundle.learned import Learned, read_learned, write_learned
from galaxies.errors import GalaxiesError
from tests.conftest import draw_galaxy


@pytest.fixture(scope="module")
def learned() -> Learned:
    random = np.random.default_rng(4)
    images = np.stack([draw_galaxy(random, bool(n % 2), side=64) for n in range(3)])
    ids = np.array([587722952767439450, 3, 100008], np.int64)
    return Learned(ids, fingerprints(images))


def test_what_a_bundle_learned_from_is_read_back_sorted(learned, tmp_path):
    write_learned(tmp_path, learned)
    found = read_learned(tmp_path)
    assert found is not None
    assert found.galaxy_ids.tolist() == sorted(learned.galaxy_ids.tolist())
    assert np.array_equal(found.fingerprints, learned.fingerprints[[1, 2, 0]])
    assert found.shown(learned.fingerprints).all()
    whole = (tmp_path / "learned.npz").read_bytes()
    for content in (b"", b"text", whole[:-3], whole[: len(whole) // 2]):
        (tmp_path / "learned.npz").write_bytes(content)
        with pytest.raises(GalaxiesError, match=r"learned\.npz: .*damaged"):
            read_learned(tmp_path)


def test_arrays_of_another_shape_or_type_are_refused(learned, tmp_path):
    for ids, marks in (
        (learned.galaxy_ids.astype(float), learned.fingerprints),
        (learned.galaxy_ids, learned.fingerprints[:2]),
        (learned.galaxy_ids, learned.fingerprints.astype(np.int64)),
    ):
        np.savez(tmp_path / "learned.npz", galaxy_ids=ids, fingerprints=marks)
        with pytest.raises(GalaxiesError, match=r"learned\.npz: damaged"):
            read_learned(tmp_path)


def test_a_bundle_may_not_have_them(tmp_path):
    assert read_learned(tmp_path) is None


def test_a_galaxy_is_known_by_its_picture_and_not_by_its_number(learned):
    other = np.stack([draw_galaxy(np.random.default_rng(9), spiral=True, side=64)])
    assert not learned.shown(fingerprints(other)).any()
    assert learned._replace(galaxy_ids=learned.galaxy_ids + 1).shown(learned.fingerprints).all()


def test_a_hundred_thousand_galaxies_take_a_few_megabytes(tmp_path):
    ids = np.arange(100_000, dtype=np.int64)
    marks = np.random.default_rng(1).integers(0, 2**64, (100_000, 3), dtype=np.uint64)
    write_learned(tmp_path, Learned(ids, marks))
    assert (tmp_path / "learned.npz").stat().st_size < 3_300_000
