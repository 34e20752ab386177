"""Pictures of what a network sees in galaxies, for any number of images."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.inputs.chunks import Item
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.errors import GalaxiesError
from galaxies.figures.strip import draw_strip
from galaxies.figures.style import save_figure
from galaxies.images.decode import UnreadableImageError

_CHUNK: Final = 1000
_UNDATED: Final = {"CreationDate": None, "ModDate": None}


class Drawn(NamedTuple):
    """What `draw_pictures` did."""

    drawn: int
    kept: int
    """Pictures that the folder had already."""
    unreadable: list[str]
    """A line for each image that could not be read."""


def draw_pictures(
    addresses: Sequence[str],
    output: Path,
    classifier: Classifier,
    question: str | None = None,
    answer: str | None = None,
    *,
    overwrite: bool = False,
) -> Drawn:
    """Draw the way of galaxies through a network, with a progress bar.

    Parameters
    ----------
    addresses : sequence of str
        Inputs as for `galaxies.classifying.inputs.opening.open_inputs`.
    output : Path
        A `.png` for a single image, a `.pdf` with a page for each image, or a folder for
        `<galaxy_id>.png`; pictures that a folder has are kept, so that an interrupted run can be
        continued.
    classifier : Classifier
        A bundle of a CNN.
    question, answer : str, optional
        What is explained; by default the predicted answer to the first question.
    overwrite : bool
        Whether to replace an existing file, or the pictures of a folder.

    Returns
    -------
    Drawn

    Raises
    ------
    GalaxiesError
        If the inputs cannot be opened, the output exists or has another suffix, the bundle has no
        such question or answer, or if there are several images for one `.png`.

    Examples
    --------
    >>> from pathlib import Path
    >>> import galaxies
    >>> classifier = galaxies.load("models/cnn")
    >>> images = [str(path) for path in sorted(Path("cutouts").iterdir())[:2]]
    >>> draw_pictures(images, Path("pictures"), classifier).drawn
    2
    >>> len(list(Path("pictures").glob("*.png")))
    2
    """
    kind = output.suffix.lower()
    if kind not in ("", ".png", ".pdf"):
        raise GalaxiesError(f"{output}: must end in .png or .pdf, or be a folder")
    if kind and output.exists() and not overwrite:
        raise GalaxiesError(f"{output}: exists; --overwrite replaces it")
    inputs = open_inputs(addresses)
    counts = [each.count for each in inputs]
    total = None if None in counts else sum(count or 0 for count in counts)
    if kind == ".png" and total != 1:
        many = "several" if total is None else f"{total:,}"
        raise GalaxiesError(f"{output}: {many} images; give a folder or a .pdf instead")
    work = _Work(classifier, question, answer)
    items = (item for each in inputs for chunk in each.chunks(_CHUNK) for item in chunk.items())
    shown: Iterator[Item] = iter(tqdm(items, total=total, desc="look inside", unit=" galaxies"))
    if kind == ".pdf":
        return work.pdf(shown, output)
    if kind == ".png":
        return work.pictures(shown, lambda _: output)
    names = _Names(output)
    return work.pictures(shown, names.path, keep=not overwrite)


class _Names:
    """Names of the pictures in a folder, each used once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()

    def path(self, galaxy_id: str) -> Path:
        name = plain = re.sub(r"[/\\]", "_", galaxy_id)
        number = 1
        while name in self._used:
            number += 1
            name = f"{plain}_{number}"
        self._used.add(name)
        return self._folder / f"{name}.png"


class _Work:
    """Draws images, and remembers those that cannot be read."""

    def __init__(self, classifier: Classifier, question: str | None, answer: str | None) -> None:
        self._classifier = classifier
        self._asked = question, answer
        self._unreadable: list[str] = []

    def _draw(self, item: Item) -> Figure | None:
        try:
            inside = self._classifier.inside(item.load(), *self._asked)
        except UnreadableImageError as error:
            self._unreadable.append(f"{item.galaxy_id} {error}")
            return None
        return draw_strip(inside, self._classifier.description.title, item.galaxy_id)

    def pictures(
        self, items: Iterator[Item], path: Callable[[str], Path], *, keep: bool = False
    ) -> Drawn:
        drawn = kept = 0
        for item in items:
            place = path(item.galaxy_id)
            if keep and place.exists():
                kept += 1
            elif (figure := self._draw(item)) is not None:
                save_figure(place, figure)
                drawn += 1
        return Drawn(drawn, kept, self._unreadable)

    def pdf(self, items: Iterator[Item], output: Path) -> Drawn:
        drawn = 0
        # Without the date, so that the same pictures give identical bytes.
        with written_beside(output) as beside, PdfPages(beside, metadata=_UNDATED) as pages:
            for item in items:
                if (figure := self._draw(item)) is not None:
                    pages.savefig(figure)
                    drawn += 1
            if not drawn:
                raise GalaxiesError(f"{output}: no image could be read: {self._unreadable[0]}")
        return Drawn(drawn, 0, self._unreadable)
