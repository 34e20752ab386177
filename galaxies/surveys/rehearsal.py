"""Pack and split a survey as the pipeline does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.dataset.packing import pack_images
from galaxies.dataset.splitting import Split, split_galaxies
from galaxies.dataset.votes import campaign_of, first_votes, read_survey_votes, read_votes
from galaxies.settings import Settings


def split_survey(
    survey: Path,
    settings: Settings,
    scratch: Path,
    *,
    workers: int,
    learned: Callable[[pd.DataFrame], npt.NDArray[np.int64]] | None = None,
) -> Split:
    """Split a survey as the stages `pack` and `split` do; nothing is kept of its images.

    Parameters
    ----------
    survey : Path
        Folder of the survey.
    settings : Settings
        Settings of the pipeline.
    scratch : Path
        A folder for the packed images, which are removed.
    workers : int
        Number of threads.
    learned : callable, optional
        Finds the galaxies that the network from which training starts has learned, among the
        packed images; by default none.

    Returns
    -------
    Split

    Raises
    ------
    GalaxiesError
        If the pipeline could not use the survey.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.settings import load_settings
    >>> split = split_survey(Path("data/simulated"), load_settings(), Path(), workers=2)
    >>> split.table["split"].value_counts().to_dict()
    {'test': 20, 'train': 16, 'validation': 4}
    """
    votes = read_survey_votes(survey, settings.volunteers)
    campaign = campaign_of(votes)
    first = first_votes(votes, read_votes(survey_file(survey, VOTES), campaign))
    pixels = scratch / "images.npy"
    packed = pack_images(
        survey_file(survey, IMAGES),
        pixels,
        size=settings.pack.size,
        crop=settings.pack.crop,
        decoding=settings.pack.decoding,
        max_unreadable=settings.pack.max_unreadable,
        workers=workers,
    )
    pixels.unlink()
    shown = np.empty(0, np.int64) if learned is None else learned(packed.table)
    return split_galaxies(first, packed.table, settings.split, shown)
