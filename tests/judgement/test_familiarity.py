"""Whether galaxies look like those that a model was calibrated on."""

import numpy as np
import pytest

from galaxies.judgement.familiarity import FEWEST, count, summarise


def numbers(count: int, seed: int = 0) -> np.ndarray:
    """As a network gives them: they hang together, and most pile up at one end."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(count, 20)) @ np.random.default_rng(1).normal(size=(20, 52))
    return (1 / (1 + np.exp(-mixed))).astype(np.float32)


@pytest.mark.parametrize("galaxies", [200, 2000, 20_000])
def test_halves_of_a_sample_are_familiar_and_a_shifted_one_is_not(galaxies):
    one, other = np.split(numbers(galaxies), 2)
    known = summarise(one)
    assert known.galaxies == galaxies // 2
    assert known.familiar(count(known.places(other))) is True
    assert known.familiar(count(known.places(other**3))) is False
    assert known.distance(count(known.places(other))) < 0.03
    assert known.distance(count(known.places(other * 0 + 2))) > 0.7


def test_few_galaxies_say_nothing():
    known = summarise(numbers(500))
    few = numbers(FEWEST - 1, seed=2)
    assert known.familiar(count(known.places(few))) is None
    assert known.familiar(count(known.places(few**9))) is None
    enough = numbers(FEWEST, seed=3)
    assert known.familiar(count(known.places(enough))) is True
    assert summarise(few).familiar(count(summarise(few).places(enough))) is None


def test_galaxies_can_be_counted_piece_by_piece():
    known = summarise(numbers(1000))
    some = numbers(700, seed=4)
    pieces = sum(count(known.places(piece)) for piece in np.array_split(some, 9))
    assert (pieces == count(known.places(some))).all()
    assert (pieces.sum(axis=1) == 700).all()


@pytest.mark.parametrize("values", [2, 5, 12, 40])
def test_numbers_that_take_few_values_do_not_make_a_survey_look_strange(values):
    # A decision tree has as many answers as leaves.
    random = np.random.default_rng(values)
    leaves = random.uniform(size=values).astype(np.float32)
    shares = random.dirichlet(np.full(values, 2.0))
    one, other = (random.choice(leaves, 5000, p=shares) for _ in range(2))
    known = summarise(one)
    assert known.familiar(count(known.places(other))) is not False


def test_a_single_number_rarely_makes_a_survey_look_strange():
    random = np.random.default_rng(0)
    strange = 0
    for _ in range(200):
        one, other = random.uniform(size=(2, 150)).astype(np.float32)
        known = summarise(one)
        strange += known.familiar(count(known.places(other))) is False
    assert strange < 10


def test_numbers_that_are_all_the_same_say_nothing():
    known = summarise(np.full(300, 0.5, np.float32))
    same = np.full(300, 0.5, np.float32)
    assert known.familiar(count(known.places(same))) is None


def test_a_survey_is_known_by_the_part_that_it_looks_like():
    random = np.random.default_rng(5)
    near, far = random.normal(0, 1, (400, 40)), random.normal(1.5, 1, (400, 40))
    known = summarise(np.concatenate([near, far]).astype(np.float32))
    parts = {
        name: count(known.places(part.astype(np.float32)))
        for name, part in (("near", near), ("far", far))
    }

    def said(numbers):
        return known.resembles(count(known.places(numbers.astype(np.float32))), parts)

    assert said(random.normal(1.5, 1, (300, 40))) == (True, "far")
    assert said(random.normal(0, 1, (300, 40))) == (True, "near")
    mixed = np.concatenate([random.normal(0, 1, (300, 40)), random.normal(1.5, 1, (300, 40))])
    assert said(mixed) == (True, None)
    assert said(random.normal(5, 1, (300, 40))) == (False, None)
    assert said(random.normal(0, 1, (50, 40))) == (None, None)
