"""Fingerprints: the same image is found again in every view, and no other one."""

import time

import numpy as np
import pytest

from galaxies.base.fingerprints import (
    MOST_DIFFERENT,
    fingerprints,
    matches,
    same_images,
    upright,
    views,
)
from galaxies.bundle.learned import Learned
from galaxies.bundle.views import view_of
from tests.conftest import draw_galaxy


@pytest.fixture(scope="module", params=[64, 32])
def images(request):
    random = np.random.default_rng(4)
    return np.stack([draw_galaxy(random, bool(n % 2), side=request.param) for n in range(40)])


@pytest.mark.parametrize("view", range(8))
def test_an_image_is_found_turned_and_mirrored(images, view):
    marks, turned = fingerprints(images), fingerprints(view_of(images, view))
    assert matches(turned, marks, turned=True).tolist() == list(range(40))
    assert Learned(np.arange(40), marks).shown(turned).all()
    nearest = np.bitwise_count(views(turned) ^ marks[None]).sum(axis=2).min(axis=0)
    assert nearest.max() <= 6 < MOST_DIFFERENT


def test_the_upright_one_is_the_same_however_an_image_is_turned(images):
    wanted = upright(fingerprints(images))
    assert len(np.unique(wanted, axis=0)) == len(images)
    for view in range(8):
        assert (upright(fingerprints(view_of(images, view))) == wanted).all(axis=1).mean() > 0.9


def test_without_turns_only_the_upright_one_is_found(images):
    marks = fingerprints(images)
    assert (matches(fingerprints(view_of(images, 1)), marks) == -1).any()
    assert matches(marks, marks).tolist() == list(range(40))


def test_other_images_are_not_found(images):
    random = np.random.default_rng(77)
    others = np.stack([draw_galaxy(random, bool(n % 2), images.shape[1]) for n in range(40)])
    assert (matches(fingerprints(others), fingerprints(images), turned=True) == -1).all()


def test_copies_in_other_views_are_one_image(images):
    many = np.concatenate([view_of(images[:5], view) for view in range(8)])
    assert same_images(fingerprints(many)).tolist() == list(range(5)) * 8
    assert same_images(fingerprints(images)).tolist() == list(range(40))
    assert same_images(np.empty((0, 3), np.uint64)).tolist() == []


def test_thousands_are_compared_in_seconds():
    random = np.random.default_rng(1)
    some, learned = (random.integers(0, 2**64, (n, 3), dtype=np.uint64) for n in (1000, 15_000))
    start = time.perf_counter()
    assert (matches(some, learned, turned=True) == -1).all()
    assert time.perf_counter() - start < 10  # half a second on an idle core
