"""Copy a survey into folders of images by part and class, for tools that expect these."""

from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.dataset.archive import list_images, open_archive
from galaxies.dataset.layout import IMAGES, survey_file
from galaxies.dataset.splitting import PARTS
from galaxies.errors import require
from galaxies.settings import Settings
from galaxies.surveys.rehearsal import split_survey
from galaxies.surveys.writing import copy_member, free_folder


def export_folders(
    survey: Path, output: Path, settings: Settings, *, workers: int, overwrite: bool = False
) -> dict[str, int]:
    """Copy a survey's images into `<part>/<class>/<GalaxyID>.jpg`.

    The split is made again, with the functions and settings of the pipeline; it does not depend on
    the pipeline's last run, which may have used another survey. All images are decoded, to find
    galaxies with identical pixels.

    Parameters
    ----------
    survey : Path
        Folder of the survey.
    output : Path
        Folder to write; it appears only when it is complete.
    settings : Settings
        `pack` and `split` are used.
    workers : int
        Decoding threads.
    overwrite : bool
        Replace an existing folder of this kind.

    Returns
    -------
    dict
        Number of galaxies of each class in each part, and of those left out for each reason, as
        in `galaxies.dataset.splitting.Split`.

    Raises
    ------
    GalaxiesError
        If the survey cannot be used, or the output exists already.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.settings import load_settings
    >>> settings = load_settings(Path("params.yaml"))
    >>> counts = export_folders(Path("data/simulated"), Path("folders"), settings, workers=2)
    >>> sorted(path.name for path in Path("folders").iterdir())
    ['test', 'train', 'validation']
    >>> len(list(Path("folders").glob("*/*/*.jpg")))
    40
    """
    output = free_folder(output, overwrite, PARTS)
    require("calibrate", "sklearn")
    with written_beside(output) as beside:
        beside.mkdir()
        table, counts = split_survey(survey, settings, beside, workers=workers)
        _copy_images(survey_file(survey, IMAGES), table, beside)
    return counts


def _copy_images(path: Path, table: pd.DataFrame, folder: Path) -> None:
    names = dict(list_images(path))
    table = table.dropna(subset="label")
    rows = zip(table["galaxy_id"], table["split"], table["label"], strict=True)
    with open_archive(path) as archive:
        for galaxy_id, part, label in tqdm(rows, "export", len(table), unit=" images"):
            name = names[galaxy_id]
            target = folder / part / label / f"{galaxy_id}{PurePosixPath(name).suffix.lower()}"
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                copy_member(archive, name, file)
