"""A survey as folders of images by part and class, for tools that want them so."""

from pathlib import Path, PurePosixPath

from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.dataset.archive import list_images, open_archive
from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.dataset.packing import pack_images
from galaxies.dataset.splitting import PARTS, split_galaxies
from galaxies.dataset.votes import read_votes
from galaxies.settings import Settings
from galaxies.surveys.writing import copy_member, free_folder


def export_folders(
    survey: Path, output: Path, settings: Settings, *, workers: int, overwrite: bool = False
) -> dict[str, int]:
    """Copy a survey's images into `<part>/<class>/<GalaxyID>.jpg`.

    The split is made anew, by the same functions and settings as the pipeline's. It does not
    depend on what the pipeline made last, which may be of another survey. Finding galaxies with
    identical pixels takes decoding all images.

    Parameters
    ----------
    survey
        The survey's folder.
    output
        The folder to make, whole or not at all.
    settings
        `pack` and `split` are used.
    workers
        Decoding threads.
    overwrite
        Whether such a folder that is there is replaced.

    Returns
    -------
    dict
        How many galaxies of each class went where, and how many were left out, and why; as in
        `galaxies.dataset.splitting.Split`.

    Raises
    ------
    GalaxiesError
        If the survey is unusable, or the output is there already.
    """
    output = free_folder(output, overwrite, PARTS)
    path = survey_file(survey, IMAGES)
    votes = read_votes(survey_file(survey, VOTES))
    names = dict(list_images(path))
    with written_beside(output) as beside:
        beside.mkdir()
        pixels = beside / "images.npy"
        packed = pack_images(
            path,
            pixels,
            size=settings.pack.size,
            crop=settings.pack.crop,
            max_unreadable=settings.pack.max_unreadable,
            workers=workers,
        )
        pixels.unlink()
        table, counts = split_galaxies(votes, packed.table, settings.split)
        with open_archive(path) as archive:
            rows = zip(table["galaxy_id"], table["split"], table["label"], strict=True)
            for galaxy_id, part, label in tqdm(rows, "export", len(table), unit=" images"):
                name = names[galaxy_id]
                suffix = PurePosixPath(name).suffix.lower()
                target = beside / part / label / f"{galaxy_id}{suffix}"
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    copy_member(archive, name, file)
    return counts
