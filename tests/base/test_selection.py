"""A draw that undoes a selection."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from galaxies.base.selection import unselected


@given(st.integers(0, 50), st.floats(0.01, 100))
def test_equal_weights_keep_everything(count, weight):
    assert unselected(np.full(count, weight)).all()


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=50), st.integers(0, 9))
def test_the_largest_weight_is_kept_and_only_ratios_matter(weights, seed):
    array = np.array(weights)
    kept = unselected(array, seed)
    assert kept[array == array.max()].all()
    assert np.array_equal(kept, unselected(array * 4, seed))


def test_the_mix_that_is_kept_is_that_of_the_weights():
    # 90% clear in the survey, 50% in the sky.
    clear = np.arange(20_000) % 10 > 0
    kept = unselected(np.where(clear, 0.5 / 0.9, 0.5 / 0.1))
    assert clear[kept].mean() == pytest.approx(0.5, abs=0.02)
    assert kept[~clear].all()
