"""The test galaxies of a finished run."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from galaxies.bundle.registry import MODELS
from galaxies.dataset.archive import list_images, open_archive, read_member
from galaxies.dataset.layout import IMAGES
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.questions.campaign import CLASSES
from galaxies.questions.layout import layout_of
from galaxies.questions.registry import CAMPAIGNS
from galaxies.settings import load_settings

TEST: Final = "test galaxies"
MISTAKES: Final = "the most confident mistakes"
ANSWERED: Final = "one for each answer"

_SHOWN: Final = 200


class FinishedRun:
    """The results of the pipeline in a folder.

    Parameters
    ----------
    folder : Path
        Folder with `params.yaml`.

    Attributes
    ----------
    bundles : dict
        Folders of the trained models, by name.

    Raises
    ------
    GalaxiesError
        If a file of the run is damaged.

    Examples
    --------
    >>> from pathlib import Path
    >>> run = FinishedRun(Path())
    >>> list(run.bundles), list(run.choices("cnn"))[-1]
    (['cnn'], 'one for each answer')
    """

    def __init__(self, folder: Path) -> None:
        settings = load_settings(folder / "params.yaml")
        self._data = folder / "data"
        split = pd.read_parquet(self._data / "split.parquet")
        self._test = split[split["split"] == "test"].set_index("galaxy_id")
        votes = pd.read_parquet(self._data / "votes.parquet").set_index("galaxy_id")
        kept = list(layout_of(votes.columns, CAMPAIGNS.values()).columns)
        self._votes = votes.loc[votes.index.isin(self._test.index), kept]
        images = self._data / settings.survey / IMAGES
        self._names = {member.galaxy_id: member.name for member in list_images(images)}
        self._archive = open_archive(images)
        bundles = {name: folder / "models" / name for name in MODELS}
        self.bundles = {
            name: path for name, path in bundles.items() if (path / "bundle.json").is_file()
        }

    @classmethod
    def found(cls, folder: Path) -> "FinishedRun | None":
        """Open the run in a folder, if there is one."""
        needed = ("params.yaml", "data/split.parquet", "data/votes.parquet")
        return cls(folder) if all((folder / name).is_file() for name in needed) else None

    def choices(self, model: str) -> dict[str, dict[str, int]]:
        """List the galaxies to choose from.

        Parameters
        ----------
        model : str
            Name of a model, for its mistakes.

        Returns
        -------
        dict
            For each group the IDs of the galaxies by their labels.
        """
        shown = self._test.index.sort_values()[:_SHOWN].tolist()
        groups = {TEST: {str(galaxy_id): galaxy_id for galaxy_id in shown}}
        path = self._data / f"predictions/{model}.parquet"
        if path.is_file() and (mistakes := self._mistakes(path)):
            groups[MISTAKES] = mistakes
        answered: dict[str, int] = {}
        for column in self._votes:
            shares = self._votes[column].dropna()
            if shares.max() > 0:  # False if there are none
                name = f"{column} ({shares.max():.0%})"
                answered[name] = int(shares.index[int(shares.argmax())])
        groups[ANSWERED] = answered
        return groups

    def _mistakes(self, path: Path) -> dict[str, int]:
        p = pd.read_parquet(path, columns=["galaxy_id", "p_spiral"]).set_index("galaxy_id")
        table = self._test.join(p, how="inner")
        predicted = np.where(table["p_spiral"] > 0.5, CLASSES[1], CLASSES[0])
        wrong = table[predicted != table["label"].astype(str)]
        order = (wrong["p_spiral"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
        return {
            f"{galaxy_id}: {wrong['label'][galaxy_id]}, p_spiral {wrong['p_spiral'][galaxy_id]:.2f}"
            : int(galaxy_id)
            for galaxy_id in order[:_SHOWN]
        }  # fmt: skip

    def frame(self, galaxy_id: int) -> bytes:
        """Read the image file of a galaxy.

        Raises
        ------
        GalaxiesError
            If it is missing or damaged.
        """
        if galaxy_id not in self._names:
            raise GalaxiesError(f"{self._archive.filename}: no image of galaxy {galaxy_id}")
        try:
            return read_member(self._archive, self._archive.getinfo(self._names[galaxy_id]))
        except UnreadableImageError as error:
            raise GalaxiesError(f"the image of galaxy {galaxy_id} {error}") from error

    def voted(self, galaxy_id: int) -> dict[str, float]:
        """Return the vote fraction of each answer.

        Returns
        -------
        dict
            Vote fractions by column; columns without votes are left out.
        """
        if galaxy_id not in self._votes.index:
            return {}
        shares = self._votes.loc[galaxy_id].dropna()
        return {str(column): share for column, share in shares.to_dict().items()}
