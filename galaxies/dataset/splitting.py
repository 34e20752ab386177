"""The protocol: which galaxies are for training, validation and test."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.errors import GalaxiesError, needs
from galaxies.questions.campaign import CLASSES, VOTED, most_voted
from galaxies.settings import SplitSettings

PARTS: Final = ("train", "validation", "test")

_UNLABELLED: Final = len(VOTED)
"""In place of a class, for galaxies without votes on the first question."""


class Split(NamedTuple):
    """Result of `split_galaxies`."""

    table: pd.DataFrame
    """`galaxy_id` int64, `split` and `label` categories, three vote fractions float32. Label and
    fractions are missing for galaxies without votes on the first question."""
    counts: dict[str, int]
    """The number of galaxies of each class in each part, and of galaxies left out, by reason."""


def split_galaxies(
    votes: pd.DataFrame,
    images: pd.DataFrame,
    settings: SplitSettings,
    learned: npt.NDArray[np.int64] | None = None,
) -> Split:
    """Split the galaxies into training, validation and test.

    The class is the largest of the three vote fractions; if it is less than `min_agreement`, the
    galaxy is left out. A share of each class, artifacts included, is for the test (`test_share`).
    Then artifacts are dropped, both sides are limited to their maximum, and a share of the training
    side is for validation. All draws are stratified by class. Identical images are drawn together,
    so they are always on the same side. Galaxies without votes on the first question are drawn as a
    class of their own; the CNN is trained on their other answers.

    Parameters
    ----------
    votes : DataFrame
        Output of `galaxies.dataset.votes.first_votes`: `galaxy_id` and three vote fractions, NaN
        for galaxies without votes on the first question.
    images : DataFrame
        `galaxy_id` and `sha1` of every packed image.
    settings : SplitSettings
        Shares, maximum numbers and the seed.
    learned : ndarray of shape (L,), int64, optional
        IDs of galaxies that the network from which training starts has learned. They are for
        training only: for validation or the test they would not be new.

    Returns
    -------
    Split

    Raises
    ------
    GalaxiesError
        If votes and images have no galaxy in common, or if a part lacks a class.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from galaxies.dataset.votes import read_votes
    >>> from galaxies.settings import load_settings
    >>> votes = read_votes(Path("data/simulated/training_solutions_rev1.csv"))
    >>> split = split_galaxies(votes, pd.read_parquet("data/images.parquet"), load_settings().split)
    >>> split.table["split"].value_counts().to_dict()
    {'test': 20, 'train': 16, 'validation': 4}
    """
    counts: dict[str, int] = {}
    table = _classified(votes, images, settings, counts)
    shown = table["galaxy_id"].isin([] if learned is None else learned)
    # Identical images stay together.
    old = table["sha1"].isin(table.loc[shown, "sha1"]).to_numpy()
    in_test = _draw(table, settings.test_share, settings.seed) & ~old
    train = _side("train", table[~in_test], settings.max_train, settings.seed, counts)
    test = _side("test", table[in_test], settings.max_test, settings.seed, counts)
    in_validation = _draw(train, settings.validation_share, settings.seed)
    new = ~train["galaxy_id"].isin(table.loc[old, "galaxy_id"]).to_numpy()
    train.loc[in_validation & new, "split"] = "validation"
    counts["learned_before"] = int(old.sum())
    table = pd.concat([train, test]).sort_values("galaxy_id", ignore_index=True)
    names = np.array([*CLASSES, None, None], dtype=object)[table["class"].to_numpy()]
    table["label"] = pd.Categorical(names, categories=list(CLASSES))
    table["split"] = pd.Categorical(table["split"], categories=list(PARTS))
    _count_parts(table, counts)
    columns = ["galaxy_id", "split", "label", "p_smooth", "p_features", "p_artifact"]
    return Split(table[columns], counts)


def _classified(
    votes: pd.DataFrame, images: pd.DataFrame, settings: SplitSettings, counts: dict[str, int]
) -> pd.DataFrame:
    """Join votes and images, and find the `class` of all galaxies with enough agreement."""
    table: pd.DataFrame = votes.merge(
        images[["galaxy_id", "sha1"]], on="galaxy_id", validate="one_to_one"
    )
    if table.empty:
        raise GalaxiesError(
            f"votes and images have no GalaxyID in common: the votes start with "
            f"{votes['galaxy_id'].iloc[0]}, the images with {images['galaxy_id'].iloc[0]}"
        )
    fractions = table[["p_smooth", "p_features", "p_artifact"]].to_numpy()
    labelled = ~np.isnan(fractions).any(axis=1)
    table["class"] = np.where(labelled, most_voted(fractions), _UNLABELLED)
    disputed = labelled & (fractions.max(axis=1) < settings.min_agreement)
    counts["votes_without_image"] = len(votes) - len(table)
    counts["images_without_votes"] = len(images) - len(table)
    counts["identical_images"] = int(table.duplicated("sha1").sum())
    counts["below_min_agreement"] = int(disputed.sum())
    table = table[~disputed].reset_index(drop=True)
    seen = np.bincount(table["class"], minlength=_UNLABELLED + 1)
    for place, name in enumerate(CLASSES):
        if seen[place] < len(PARTS):
            raise GalaxiesError(
                f"the votes give {seen[place]} {name} galaxies; at least {len(PARTS)} are needed, "
                "one each for training, validation and test"
                + (", or a lower split.min_agreement" if disputed.any() else "")
                + _say_unlabelled(int(seen[_UNLABELLED]))
            )
    return table


def _say_unlabelled(count: int) -> str:
    return (
        f"; {count} galaxies have no class: they have no votes on the first question, or all "
        "galaxies with such votes have the same answer, as if they were chosen by it"
        if count
        else ""
    )


def _side(
    side: str, table: pd.DataFrame, cap: int, seed: int, counts: dict[str, int]
) -> pd.DataFrame:
    """Drop the artifacts of a side, and limit its number; in order of `galaxy_id`."""
    # Imported here because reading a split does not need it.
    with needs("calibrate"):
        from sklearn.utils import resample

    galaxies = table[table["class"].isin([*range(len(CLASSES)), _UNLABELLED])]
    counts[f"{side}_artifacts_dropped"] = len(table) - len(galaxies)
    counts[f"{side}_beyond_cap"] = max(0, len(galaxies) - cap)
    if len(galaxies) > cap:
        drawn: pd.DataFrame = resample(
            galaxies,
            replace=False,
            n_samples=cap,
            random_state=seed,
            stratify=galaxies["class"],
        )
        galaxies = drawn
    return galaxies.sort_values("galaxy_id").assign(split=side)


def _count_parts(table: pd.DataFrame, counts: dict[str, int]) -> None:
    """Count the galaxies of each class in each part; none may be empty."""
    for part in PARTS:
        for name in CLASSES:
            number = int(((table["split"] == part) & (table["label"] == name)).sum())
            if not number:
                raise GalaxiesError(
                    f"no {name} galaxy is left in the {part} part; raise its share"
                    + _say_learned(counts["learned_before"])
                )
            counts[f"{part}_{name}"] = number
        counts[f"{part}_without_first_question"] = int(
            ((table["split"] == part) & table["label"].isna()).sum()
        )


def _say_learned(count: int) -> str:
    return (
        f", or start from another network: cnn.residual.start has learned {count} of these galaxies"
        if count
        else ""
    )


def _draw(table: pd.DataFrame, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Mark a stratified share of the galaxies, identical images together."""
    with needs("calibrate"):
        from sklearn.model_selection import train_test_split

    groups = table.drop_duplicates("sha1")
    # A class of one galaxy cannot be stratified; it is drawn along with the largest class.
    classes = groups["class"]
    few = classes.map(classes.value_counts()) < 2
    strata = classes.where(~few, classes.mode()[0])
    try:
        _, drawn = train_test_split(groups, test_size=share, random_state=seed, stratify=strata)
    except ValueError as error:
        raise GalaxiesError(f"{len(groups)} galaxies are too few to split: {error}") from error
    return table["sha1"].isin(drawn["sha1"]).to_numpy()
