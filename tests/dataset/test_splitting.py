import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxies.dataset.splitting import split_galaxies
from galaxies.errors import GalaxiesError
from galaxies.judgement.scores import judged
from galaxies.questions.campaign import most_voted
from galaxies.settings import SplitSettings
from galaxies.training.parts import galaxies_of

PROTOCOL = SplitSettings(
    seed=123,
    test_share=0.5,
    max_train=30_000,
    max_test=20_000,
    validation_share=0.2,
    min_agreement=0.0,
)


def survey(ellipticals, spirals, artifacts=0, *, copies=1):
    """Votes and images; every run of `copies` galaxies shares its pixels."""
    kinds = np.repeat([0, 1, 2], [ellipticals, spirals, artifacts])
    votes = pd.DataFrame({"galaxy_id": np.arange(len(kinds)) * 3 + 587722952767439450})
    for place, name in enumerate(("p_smooth", "p_features", "p_artifact")):
        votes[name] = np.where(kinds == place, 0.8, 0.1).astype(np.float32)
    images = votes[["galaxy_id"]].assign(
        row=np.arange(len(votes), dtype=np.int32),
        sha1=[f"{number // copies:040x}" for number in range(len(votes))],
        fingerprint=[f"{number // copies:048x}" for number in range(len(votes))],
    )
    return votes, images


@pytest.mark.slow
def test_the_reference_protocol_at_full_size():
    # The real Kaggle set's counts; its half/half is 30,789 galaxies each.
    split = split_galaxies(*survey(26_693, 34_826, 59), PROTOCOL)
    counts = split.counts
    assert counts["train_elliptical"] + counts["train_spiral"] == 24_000
    assert counts["validation_elliptical"] + counts["validation_spiral"] == 6_000
    assert counts["test_elliptical"] + counts["test_spiral"] == 20_000
    assert counts["train_artifacts_dropped"] + counts["test_artifacts_dropped"] == 59
    assert counts["train_beyond_cap"] + counts["test_beyond_cap"] == 61_578 - 59 - 50_000
    shares = [
        counts[f"{p}_spiral"] / (counts[f"{p}_spiral"] + counts[f"{p}_elliptical"])
        for p in ("train", "validation", "test")
    ]
    assert np.ptp(shares) < 0.001
    assert split.table["galaxy_id"].is_unique
    assert split.table["galaxy_id"].dtype == np.int64


def test_galaxies_on_which_volunteers_disagree_can_be_left_out():
    votes, images = survey(40, 40)
    disputed = votes.index % 4 == 0
    votes.loc[disputed, ["p_smooth", "p_features", "p_artifact"]] = 0.45, 0.35, 0.2
    strict = PROTOCOL.model_copy(update={"min_agreement": 0.5})
    split = split_galaxies(votes, images, strict)
    assert split.counts["below_min_agreement"] == 20
    assert split.counts["votes_without_image"] == split.counts["images_without_votes"] == 0
    assert set(split.table["galaxy_id"]) == set(votes.loc[~disputed, "galaxy_id"])
    with pytest.raises(GalaxiesError, match=r"or a lower split\.min_agreement"):
        split_galaxies(votes, images, PROTOCOL.model_copy(update={"min_agreement": 0.9}))


def test_a_tie_goes_to_the_earlier_column():
    votes = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [0.4, 0.2, 0.4]], np.float32)
    assert most_voted(votes).tolist() == [0, 1, 0]


@pytest.mark.slow
@settings(max_examples=30)
@given(
    ellipticals=st.integers(50, 120),
    spirals=st.integers(50, 120),
    artifacts=st.integers(0, 4),
    copies=st.integers(1, 3),
    seed=st.integers(0, 100),
    cap=st.integers(30, 60),
)
def test_no_galaxy_and_no_pixels_are_in_two_parts(
    ellipticals, spirals, artifacts, copies, seed, cap
):
    votes, images = survey(ellipticals, spirals, artifacts, copies=copies)
    chosen = PROTOCOL.model_copy(update={"seed": seed, "max_train": cap, "max_test": cap})
    table = split_galaxies(votes, images, chosen).table.merge(images)
    assert table["galaxy_id"].is_unique
    assert len(table.drop_duplicates(["sha1", "split"])) == table["sha1"].nunique()
    assert (table["split"] == "test").sum() <= cap
    assert (table["split"] != "test").sum() <= cap
    again = split_galaxies(votes, images, chosen).table
    assert again.equals(table[again.columns])


def test_what_has_no_partner_is_counted():
    votes, images = survey(30, 30)
    split = split_galaxies(votes.iloc[2:], images.iloc[:-3], PROTOCOL)
    assert split.counts["votes_without_image"] == 3
    assert split.counts["images_without_votes"] == 2
    assert len(split.table) == 55


def test_nothing_in_common_or_no_galaxy_of_a_class_is_refused():
    votes, images = survey(30, 30)
    with pytest.raises(GalaxiesError, match="no GalaxyID in common: the votes start with 5877"):
        split_galaxies(votes, images.assign(galaxy_id=np.arange(60)), PROTOCOL)
    with pytest.raises(GalaxiesError, match="give 0 spiral galaxies"):
        split_galaxies(*survey(30, 0), PROTOCOL)
    with pytest.raises(GalaxiesError, match="give 1 elliptical galaxies"):
        split_galaxies(*survey(1, 30), PROTOCOL)


def test_parts_lead_to_their_rows():
    votes, images = survey(30, 30)
    images = images.sample(frac=1, random_state=1).reset_index(drop=True)
    images["row"] = np.arange(60, dtype=np.int32)
    split = split_galaxies(votes, images, PROTOCOL).table
    part = galaxies_of(split, images, "validation", "test")
    assert len(part.rows) == (split["split"] != "train").sum()
    found = images.set_index("row")["galaxy_id"].loc[part.rows].to_numpy()
    assert np.array_equal(found, part.galaxies["galaxy_id"])
    assert np.array_equal(part.labels == 1, part.galaxies["label"] == "spiral")
    assert (np.diff(part.rows) > 0).all()


def test_galaxies_without_a_label_are_in_all_parts_and_in_no_score():
    votes, images = survey(60, 60)
    unlabelled = votes.index % 3 == 0
    votes.loc[unlabelled, ["p_smooth", "p_features", "p_artifact"]] = np.nan
    split = split_galaxies(votes, images, PROTOCOL)
    table = split.table
    assert set(table.loc[table["label"].isna(), "galaxy_id"]) == set(votes["galaxy_id"][unlabelled])
    shares = table.groupby("split", observed=True)["label"].agg(lambda label: label.isna().mean())
    assert shares.to_dict() == pytest.approx({"train": 1 / 3, "validation": 1 / 3, "test": 1 / 3})
    assert split.counts["test_without_first_question"] == 20
    part = galaxies_of(table, images, "train")
    assert (part.labels == -1).sum() == 16
    assert (part.labelled.labels >= 0).all()
    assert len(part.labelled.rows) == len(part.labelled.galaxies) == 32
    others = table[table["split"] != "train"]
    predictions = others[["galaxy_id", "split"]].assign(p_spiral=0.5, vote_fraction=0.5)
    scored = judged(table, predictions, "cnn")
    assert len(scored) == 40
    assert scored["label"].notna().all()
