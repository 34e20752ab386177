import numpy as np
import pytest

from galaxies.inside.channels import PATCHES, channels_that_matter
from galaxies.inside.gradient import Gradient
from galaxies.inside.score import Score
from tests.inside.test_gradient import reference, residual, written


@pytest.mark.parametrize("build", [residual, reference])
def test_channels_that_matter_come_with_patches_of_what_they_see(build, tmp_path):
    score = Score(Gradient(written(build(16), tmp_path)), slice(0, 2))
    images = np.random.default_rng(1).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    answers = score.predicted(images)
    for key, layer in score.gradient.layers.items():
        found = channels_that_matter(score, images, answers, key, 3)
        weights = [one.weight for one in found]
        assert weights == sorted(weights, reverse=True)
        assert 0 < sum(weights) <= 1.001
        width = min(layer.field, 16)
        assert {patch.shape for one in found for patch in one.patches} == {(width, width, 3)}
        assert {len(one.patches) for one in found} == {PATCHES}
