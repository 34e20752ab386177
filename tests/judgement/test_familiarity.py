"""Whether an image looks like known galaxies, and whether a survey does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from galaxies.judgement.appearance import NUMBERS, appearance
from galaxies.judgement.familiarity import FEWEST, LEVEL, KnownGalaxies, some_of
from tests.conftest import draw_galaxy, known_galaxies


def galaxies(count, seed, side=64):
    random = np.random.default_rng(seed)
    return np.stack([draw_galaxy(random, bool(number % 2), side) for number in range(count)])


@pytest.fixture(scope="module")
def known():
    return KnownGalaxies.fit(appearance(galaxies(150, 1)), appearance(galaxies(150, 2)))


ODD = {
    "black": np.zeros((64, 64, 3), np.uint8),
    "white": np.full((64, 64, 3), 255, np.uint8),
    "noise": np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_galaxy_is_not_familiar(known, name):
    assert known.familiar(appearance(ODD[name][None])).tolist() == [False]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: 255 - image,
        lambda image: np.repeat(image.mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8),
        lambda image: np.where(np.arange(64)[:, None] < 32, 0, image.transpose(0, 2, 1, 3)),
    ],
    ids=["inverted", "grey", "half blank"],
)
def test_spoiled_galaxies_are_not_familiar(known, spoil):
    spoiled = spoil(galaxies(40, 3)).astype(np.uint8)
    assert known.familiar(appearance(spoiled)).mean() < 0.1
    assert known.familiar(appearance(galaxies(40, 3))).mean() > 0.9


@given(seed=st.integers(0, 99), side=st.sampled_from([16, 32, 64, 96]), view=st.integers(0, 7))
def test_an_image_looks_the_same_turned_and_mirrored_and_among_others(seed, side, view):
    images = np.random.default_rng(seed).integers(0, 256, (3, side, side, 3)).astype(np.uint8)
    turned = np.rot90(images[:, :, ::-1] if view >= 4 else images, view % 4, axes=(1, 2))
    looks = appearance(images)
    assert looks.shape == (3, NUMBERS)
    assert np.isfinite(looks).all()
    assert appearance(np.ascontiguousarray(turned)) == pytest.approx(looks, abs=2e-5)
    assert (appearance(images[1:2]) == looks[1:2]).all()


def test_no_image_has_no_look():
    assert appearance(np.empty((0, 64, 64, 3), np.uint8)).shape == (0, NUMBERS)


def test_the_p_value_is_the_share_of_known_galaxies_at_least_as_far():
    known = KnownGalaxies(
        np.zeros(2, np.float32), np.eye(2, dtype=np.float32), np.arange(1, 100, dtype=np.float32)
    )
    looks = np.array([[0, 0], [50, 0], [0, 99], [0, 100]], np.float32)
    assert known.p_values(looks) == pytest.approx([1, 0.51, 0.02, 0.01])
    assert known.familiar(looks).tolist() == [True, True, True, False]


def test_fewer_than_99_known_galaxies_decide_nothing():
    few = known_galaxies(galaxies=FEWEST - 1)
    assert few.familiar(np.zeros((3, NUMBERS), np.float32)) is None
    assert few.survey_is_familiar(3, 3) is None
    assert known_galaxies(galaxies=FEWEST).survey_is_familiar(0, 1) is True
    assert known_galaxies().survey_is_familiar(0, 0) is None


@given(count=st.integers(99, 3000), total=st.integers(1, 5000), share=st.floats(0, 0.2))
def test_the_survey_has_the_distribution_of_scipy(count, total, share):
    unfamiliar = round(share * total)
    below = int(np.floor(LEVEL * (count + 1) + 1e-9))
    expected = betabinom(total, below, count + 1 - below).sf(unfamiliar - 1)
    found = known_galaxies(galaxies=count).survey_p_value(unfamiliar, total)
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_survey_is_judged_from_one_image_on_and_a_few_strangers_do_not_matter():
    known = known_galaxies(galaxies=1000)
    assert known.survey_is_familiar(1, 1) is False
    assert known.survey_is_familiar(1, 40) is True
    assert known.survey_is_familiar(20, 40) is False
    # Significant, but no more than 2%.
    assert known.survey_p_value(1900, 100_000) < 0.2
    assert known.survey_is_familiar(1900, 100_000) is True
    assert known.survey_is_familiar(5000, 100_000) is False


def test_two_fits_are_equal_and_identical_galaxies_are_no_problem():
    looks = appearance(galaxies(30, 4))
    first, second = (KnownGalaxies.fit(looks, looks) for _ in range(2))
    assert all((one == two).all() for one, two in zip(first, second, strict=True))
    same = KnownGalaxies.fit(looks[:1], looks[:1])
    assert same.is_whole
    assert len(some_of(np.arange(50_000))) == 20_000
    assert some_of(np.arange(7)).tolist() == list(range(7))


def at(distances):
    """Looks at given distances from the known galaxies of `around`."""
    return np.asarray(distances, np.float32)[:, None]


def around(distances):
    """Known galaxies of one number."""
    one = np.ones((1, 1), np.float32)
    return KnownGalaxies(np.zeros(1, np.float32), one, np.sort(np.asarray(distances, np.float32)))


@pytest.mark.parametrize(
    ("unfamiliar", "galaxies", "replaced"),
    [
        (0, 99, False),
        (1, 99, False),
        (2, 99, True),
        (3, 200, False),
        (4, 200, True),
        (30, 98, False),
    ],
)
def test_a_survey_replaces_the_known_galaxies_only_if_it_does_not_look_familiar(
    unfamiliar, galaxies, replaced
):
    known = around(np.arange(1000))
    found = known.for_survey(at([9999] * unfamiliar + [5] * (galaxies - unfamiliar)))
    assert (found.unfamiliar, found.galaxies, found.replaced) == (unfamiliar, galaxies, replaced)
    assert len(found.known.distances) == (galaxies if replaced else 1000)


def test_a_bundle_that_knows_too_few_takes_the_galaxies_of_the_survey():
    assert around(np.arange(98)).for_survey(at([1] * 99)).replaced


def test_a_familiar_survey_of_99_galaxies_does_not_make_the_test_noisy():
    """The share of its own galaxies sent to people, and power against what is farther away."""
    random = np.random.default_rng(3)
    known = around(np.abs(random.normal(size=3000)))
    strangers = at(np.abs(random.normal(3.5, 0.5, 2000)))
    sent: dict[bool, list[float]] = {True: [], False: []}
    seen: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(200):
        few = at(np.abs(random.normal(size=99)))
        others = at(np.abs(random.normal(size=2000)))
        for kept, one in ((True, known.for_survey(few).known), (False, known.calibrated(few))):
            sent[kept].append(float((one.p_values(others) <= LEVEL).mean()))
            seen[kept].append(float((one.p_values(strangers) <= LEVEL).mean()))
    assert np.quantile(sent[True], 0.8) < 0.015 < 0.02 < np.quantile(sent[False], 0.9)
    assert np.mean(seen[True]) > np.mean(seen[False]) + 0.02
