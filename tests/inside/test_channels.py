import numpy as np
import pytest

from galaxies.inside.channels import Exciting, channel_shares, cut_out, field_of
from galaxies.inside.gradient import Gradient
from galaxies.inside.score import Score
from tests.inside.test_gradient import reference, residual, written


@pytest.mark.parametrize("build", [residual, reference])
def test_shares_of_a_layer_add_up_and_have_the_sign_of_the_effect(build, tmp_path):
    score = Score(Gradient(written(build(16), tmp_path)), slice(0, 2))
    images = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3)).astype(np.uint8)
    answers = score.predicted(images)
    for layer in score.gradient.layers:
        activations, shares = channel_shares(score, images, answers, layer)
        assert activations.shape[3] == shares.shape[1]
        np.testing.assert_allclose(np.abs(shares).sum(axis=1), 1, rtol=1e-5)
        # What speaks for one of two answers speaks against the other.
        _, other = channel_shares(score, images, 1 - answers, layer)
        np.testing.assert_allclose(shares, -other, atol=1e-5)


def test_patches_are_what_the_most_excited_positions_see(tmp_path):
    gradient = Gradient(written(residual(16), tmp_path))
    images = np.random.default_rng(1).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    exciting = Exciting(gradient, images)
    activations = gradient.activations(images)
    for name, layer in gradient.layers.items():
        values = activations[name]
        channel = int(values.max(axis=(0, 1, 2)).argmax())
        patches = exciting.patches(name, channel, count=3)
        assert {patch.shape for patch in patches} == {(min(layer.field, 16),) * 2 + (3,)}
        galaxy = int(values[..., channel].max(axis=(1, 2)).argmax())
        place = np.unravel_index(values[galaxy, ..., channel].argmax(), values.shape[1:3])
        square = field_of((int(place[0]), int(place[1])), values.shape[1], layer.field, 16)
        np.testing.assert_array_equal(patches[0], cut_out(images[galaxy], square))


def test_a_silent_channel_has_no_patches(tmp_path):
    gradient = Gradient(written(residual(16), tmp_path))
    exciting = Exciting(gradient, np.zeros((3, 16, 16, 3), np.uint8))
    dark = gradient.activations(np.zeros((1, 16, 16, 3), np.uint8))["relu_0"].max(axis=(0, 1, 2))
    for channel in np.flatnonzero(dark == 0):
        assert exciting.patches("relu_0", int(channel)) == []


def test_fields_stay_in_the_image():
    for position in [(0, 0), (7, 7), (3, 4)]:
        top, left, width = field_of(position, rows=8, field=41, side=64)
        assert 0 <= top <= 64 - width
        assert 0 <= left <= 64 - width
    assert field_of((3, 3), rows=8, field=99, side=64) == (0, 0, 64)
