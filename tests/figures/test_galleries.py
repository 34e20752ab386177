import numpy as np
import pytest

from galaxies.errors import GalaxiesError
from galaxies.figures.choosing import choose_galaxy, choose_mistakes, choose_samples
from galaxies.figures.galleries import draw_input, draw_mistakes, portraits
from galaxies.questions.campaign import CLASSES
from tests.figures.conftest import LARGE_ID, portrait, predicted, texts


def test_samples_are_spread_over_agreement_and_leave_out_the_extremes(split):
    chosen = choose_samples(split, 3)
    assert list(chosen) == list(CLASSES)
    for label, votes in (("elliptical", "p_smooth"), ("spiral", "p_features")):
        ranks = split.loc[split["label"] == label, votes].rank()
        assert ranks[chosen[label].index].tolist() == [2, 6, 9]


def test_samples_with_equal_votes_go_by_id_whatever_the_order_of_rows(split):
    hard = split.assign(p_smooth=(split["label"] == "elliptical").astype(np.float32))
    hard["p_features"] = 1 - hard["p_smooth"]
    one, other = choose_samples(hard, 4), choose_samples(hard[::-1], 4)
    for label in CLASSES:
        assert one[label]["galaxy_id"].is_monotonic_increasing
        assert one[label]["galaxy_id"].tolist() == other[label]["galaxy_id"].tolist()


def test_samples_of_a_small_class_are_all_of_it_once(split):
    chosen = choose_samples(split, 12)
    assert sorted(chosen["spiral"]["galaxy_id"]) == sorted(
        split.loc[split["label"] == "spiral", "galaxy_id"]
    )


def test_mistakes_are_the_surest_wrong_test_galaxies_of_each_class(split):
    # Test galaxies have places 0, 2, .. 18; the first five are elliptical.
    predictions = predicted(split, [0.6, 0.9, 0.1, 0.9, 0.5, 0.5, 0.8, 0.01, 0.7, 0.4])
    chosen = choose_mistakes(split, predictions, 2)
    assert (chosen["elliptical"]["galaxy_id"] - LARGE_ID).tolist() == [2, 6]
    assert (chosen["spiral"]["galaxy_id"] - LARGE_ID).tolist() == [14, 18]
    # Exactly a half counts as elliptical: a mistake for a spiral, none for an elliptical.
    chosen = choose_mistakes(split, predictions, 9)
    assert (chosen["elliptical"]["galaxy_id"] - LARGE_ID).tolist() == [2, 6, 0]
    assert (chosen["spiral"]["galaxy_id"] - LARGE_ID).tolist() == [14, 18, 10]


def test_default_galaxy_is_the_surest_right_one_and_of_equals_the_first(split, packed):
    predictions = predicted(split, [0.3, 0.2, 0.2, 0.9, 0.6, 0.1, 0.8, 0.95, 0.95, 0.4])
    chosen = [choose_galaxy(None, label, split, predictions, packed) for label in CLASSES]
    assert [galaxy_id - LARGE_ID for galaxy_id in chosen] == [2, 14]
    shuffled = predictions.sample(frac=1, random_state=3)
    assert choose_galaxy(None, "spiral", split[::-1], shuffled, packed) == LARGE_ID + 14


def test_any_galaxy_with_an_image_may_be_named(split, packed):
    predictions = predicted(split, np.full(10, 0.5))
    in_train = LARGE_ID + 1
    assert choose_galaxy(in_train, "spiral", split, predictions, packed) == in_train


def test_unknown_galaxy_is_refused_by_key_and_id(split, packed):
    predictions = predicted(split, np.full(10, 0.5))
    with pytest.raises(GalaxiesError, match=r"^explain\.spiral: .* GalaxyID 42"):
        choose_galaxy(42, "spiral", split, predictions, packed)


def test_portraits_find_the_image_votes_and_id_of_each_galaxy(split, packed):
    images = np.arange(20, dtype=np.uint8).repeat(2 * 2 * 3).reshape(20, 2, 2, 3)
    galaxies = split.iloc[[3, 0]].assign(p_spiral=[0.1, 0.2])
    third, first = portraits(galaxies, packed, images)
    assert (third.image == 16).all()
    assert (first.image == 19).all()
    assert (third.galaxy_id, first.galaxy_id) == (LARGE_ID + 3, LARGE_ID)
    assert third.votes == pytest.approx(split.loc[3, ["p_smooth", "p_features", "p_artifact"]])
    assert (third.p_spiral, first.p_spiral) == (0.1, 0.2)


def test_portrait_of_a_galaxy_outside_the_split_has_no_votes(split, packed):
    galaxies = packed[["galaxy_id"]].head(1).merge(split.iloc[:1], how="left", on="galaxy_id")
    (one,) = portraits(galaxies, packed, np.zeros((20, 2, 2, 3), np.uint8))
    assert one.votes is None
    assert one.p_spiral is None
    assert "not in the split" in texts(draw_input(one, "CNN"))


def test_galaxies_are_shown_with_exact_id_votes_and_probability():
    figure = draw_mistakes({"elliptical": [portrait()], "spiral": []}, "CNN")
    shown = texts(figure)
    assert str(LARGE_ID) in shown
    assert "0.70 / 0.20 / 0.10" in shown
    assert "$p$(spiral) = 0.250" in shown
    assert "none" in shown
    assert "voted spiral, CNN: elliptical" in shown


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0, "< 0.001"), (0.0006, "= 0.001"), (0.9994, "= 0.999"), (1.0, "> 0.999")]
)
def test_no_probability_looks_certain(p, shown):
    assert f"$p$(spiral) {shown}" in texts(draw_input(portrait(p_spiral=p), "CNN"))
