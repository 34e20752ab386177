"""The measured size of galaxies whose size is known."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from galaxies.images.colour import grey_level
from galaxies.sky.radius import _TOO_LARGE, frame_scale, light_of, measure_radius
from tests.conftest import real_data


def frame_of(light):
    """A grey frame with the stretch of SDSS."""
    grey = grey_level(np.clip(light, 0, None)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(grey)


def disk(scale_length, side=424, sky=0.01, noise=0.004, seed=0):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    light = np.exp(-np.hypot(x, y) / scale_length)
    return light + np.random.default_rng(seed).normal(sky, noise, (side, side))


@settings(max_examples=15)
@given(st.floats(4, 25), st.integers(0, 100))
def test_an_exponential_disk_has_the_radius_that_theory_gives(length, seed):
    # 90% of its light lies within 3.89 scale lengths; the correction is for galaxies with an edge
    # below the sky of a real survey.
    found = measure_radius(frame_of(disk(length, seed=seed)))
    assert found * _TOO_LARGE == pytest.approx(3.89 * length, rel=0.2)


def test_a_radius_scales_with_the_galaxy():
    small, large = (measure_radius(frame_of(disk(length))) for length in (5, 20))
    assert large / small == pytest.approx(4, rel=0.15)


def test_where_there_is_no_galaxy_there_is_no_radius():
    noise = np.random.default_rng(0).normal(0.02, 0.005, (424, 424))
    assert measure_radius(frame_of(noise)) is None
    assert measure_radius(Image.new("RGB", (424, 424), "black")) is None
    aside = np.roll(disk(8), 150, axis=1)
    assert measure_radius(frame_of(aside)) is None


def test_a_galaxy_that_does_not_fit_is_not_measured():
    assert measure_radius(frame_of(disk(80))) is None


def test_the_stretch_is_undone():
    light = np.linspace(0.01, 2, 50)[None, :].repeat(50, axis=0)
    np.testing.assert_allclose(light_of(frame_of(light)), light, rtol=0.06, atol=0.004)


def test_a_frame_is_848_percent_of_the_radius_wide():
    assert 424 * frame_scale(7.3) == pytest.approx(8.48 * 7.3)
    assert 212 * frame_scale(7.3, 212) == pytest.approx(8.48 * 7.3)


def test_real_frames_of_galaxy_zoo_2_show_50_pixels():
    path = real_data() / "gz2" / "images_training_rev1.zip"
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:40]
        frames = [Image.open(io.BytesIO(archive.read(name))) for name in names]
    found = [radius for radius in map(measure_radius, frames) if radius]
    assert len(found) > 30
    assert np.median(found) == pytest.approx(50, rel=0.15)
