"""What the benchmarks compute from what they measure."""

import numpy as np
import pytest

from benchmarks.active_choice import LABELS, labels_needed
from benchmarks.early_retirement import (
    MEANS,
    VOTES,
    Drawn,
    Prior,
    by_certainty,
    by_worth,
    chances,
    retire,
)
from benchmarks.finetuning import FEWEST_VALIDATE, recipe, two_parts
from galaxies.settings import load_settings
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def told():
    return chances(5.0)


def test_all_votes_leave_no_doubt(told):
    assert set(np.unique(told.features[:, VOTES].round(9))) <= {0.0, 1.0}


def test_free_votes_are_always_worth_it_and_dear_ones_never(told):
    doubtful = len(MEANS) // 2
    assert not by_worth(told, 0.0)[doubtful, 0, 0]
    assert by_worth(told, 1.0).all()
    # The dearer a vote, the sooner it stops.
    assert (by_worth(told, 0.001) <= by_worth(told, 0.01)).all()


def test_a_certain_galaxy_takes_no_vote_and_a_doubtful_one_does(told):
    votes = np.zeros((2, VOTES + 1, 3), np.int64)
    votes[:, :, 1] = np.arange(VOTES + 1)  # all say features
    galaxies = Drawn(np.float32([0.999, 0.5]), votes)
    prior = Prior(np.array([MEANS[-1], 0.5]), 5.0)
    done = retire(galaxies, prior, told, by_certainty(told, 0.99), early=True)
    assert done.votes[0] == 0
    assert 0 < done.votes[1] < VOTES
    assert done.right.all()


def test_the_labels_needed_are_read_off_between_batches():
    losses = np.linspace(0.5, 0.3, len(LABELS))
    assert labels_needed(losses, 0.3) == pytest.approx(LABELS[-1])
    assert LABELS[0] < labels_needed(losses, 0.49) < LABELS[1]
    assert np.isnan(labels_needed(losses, 0.29))
    assert labels_needed(losses, 0.6) == LABELS[0]


def test_a_fifth_of_each_class_validates_and_ten_at_least():
    labels = (np.arange(200) % 4 == 0).astype(np.int64)
    train, validate = two_parts(labels)
    assert sorted([*train, *validate]) == list(range(200))
    assert np.bincount(labels[validate]).tolist() == [30, 10]
    few = two_parts(labels[:40])[1]
    assert len(few) >= FEWEST_VALIDATE


def test_few_galaxies_are_seen_more_often():
    settings = load_settings(ROOT / "params.yaml").cnn
    few, many = (recipe(settings, None, count, 0).residual.epochs for count in (50, 500))
    assert few > many
