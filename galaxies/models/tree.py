"""A decision tree on pixels."""

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Device, Pixels, Probabilities, shrink
from galaxies.bundle.plain_arrays import read_arrays
from galaxies.errors import GalaxiesError
from galaxies.settings import TreeSettings
from galaxies.training.fitting import Candidate, Fit, best_candidate
from galaxies.training.parts import Part

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

_CHUNK: Final = 512
_FILE: Final = "tree.npz"


class DecisionTree(NamedTuple):
    """A fitted tree as plain arrays over its nodes, which cannot contain code.

    The children of a leaf are -1; a child always comes after its parent.
    """

    size: np.int64
    """Side of the images that it sees, in pixels."""
    feature: npt.NDArray[np.int64]
    """Value of the flattened image (size, size, 3) that a node compares with its threshold."""
    threshold: npt.NDArray[np.float64]
    """Values up to the threshold go left."""
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    p_spiral: npt.NDArray[np.float32]
    """Share of spirals among the training galaxies of a node, by Laplace's rule of succession."""

    @property
    def title(self) -> str:
        """Name in figures."""
        return "decision tree"

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return int((self.left < 0).sum())

    def predict(self, images: Pixels) -> Probabilities:
        """Compute the raw probability of "spiral" (N,) for images uint8 (N, side, side, 3)."""
        return self.walk(_features(images, int(self.size)))

    def walk(self, flat: npt.NDArray[np.float32]) -> Probabilities:
        """Compute the probability of "spiral" for averaged and flattened images (N, F)."""
        galaxies = np.arange(len(flat))
        node = np.zeros(len(flat), dtype=np.int64)
        while True:
            asking = self.left[node] >= 0
            if not asking.any():
                return self.p_spiral[node]
            goes_left = flat[galaxies, self.feature[node]] <= self.threshold[node]
            below = np.where(goes_left, self.left[node], self.right[node])
            node = np.where(asking, below, node)

    def save(self, folder: Path) -> None:
        """Write the tree into a folder."""
        np.savez(folder / _FILE, **self._asdict())

    @classmethod
    def load(cls, folder: Path, device: Device = "cpu") -> Self:
        """Read the file written by `save`; trees are always computed on the CPU.

        Raises
        ------
        GalaxiesError
            If the file is damaged, or if its nodes are not a tree.
        """
        path = folder / _FILE
        tree = cls._make(read_arrays(path, cls._fields).values())
        if not tree._is_one():
            raise GalaxiesError(f"{path}: damaged tree; train the model again")
        return tree

    def _is_one(self) -> bool:
        """Whether every path ends at a leaf with a probability, and uses existing values."""
        size = self.size
        nodes = (self.feature, self.threshold, self.left, self.right, self.p_spiral)
        kinds = [np.dtype(kind) for kind in ("i8", "f8", "i8", "i8", "f4")]
        if size.shape != () or size.dtype != np.int64 or size < 1 or self.left.ndim != 1:
            return False
        if any(a.shape != self.left.shape for a in nodes) or [a.dtype for a in nodes] != kinds:
            return False
        places = np.arange(len(self.left))
        inner = self.left >= 0
        asked = self.feature[inner]
        return bool(
            len(places)
            # Children come after their parents, so there are no loops.
            and all(
                ((child[inner] > places[inner]) & (child[inner] < len(places))).all()
                for child in (self.left, self.right)
            )
            and ((asked >= 0) & (asked < 3 * size * size)).all()
            and ((self.p_spiral >= 0) & (self.p_spiral <= 1)).all()
        )


def fit(images: Pixels, train: Part, validation: Part, settings: TreeSettings) -> Fit[DecisionTree]:
    """Fit a tree for every pair of depth and pruning, and keep the best on validation.

    Parameters
    ----------
    images : ndarray of shape (M, side, side, 3), uint8
        Packed images.
    train, validation : Part
        Galaxies for training, and for choosing the candidate.
    settings : TreeSettings
        The candidates, the size of the images and the seed.

    Returns
    -------
    Fit of DecisionTree
        The tree with the lowest log loss; in a tie, the shallower and more pruned one.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.training.training import open_galaxies
    >>> from galaxies.settings import load_settings
    >>> tables = [Path("data/split.parquet"), Path("data/images.parquet")]
    >>> galaxies = open_galaxies(*tables, Path("data/images.npy"), "simulated")
    >>> fitted = fit(galaxies.inputs, galaxies.train, galaxies.validation, load_settings().tree)
    >>> sorted(fitted.chosen)
    ['accuracy', 'leaves', 'loss', 'max_depth', 'pruning']
    """
    # Imported here because predicting does not need it.
    from sklearn.tree import DecisionTreeClassifier

    pixels = _features(images, settings.size, train.rows)
    held_out = _features(images, settings.size, validation.rows)

    def fit_one(pair: tuple[int, float]) -> Candidate[DecisionTree]:
        max_depth, pruning = pair
        model = DecisionTreeClassifier(
            max_depth=max_depth, ccp_alpha=pruning, random_state=settings.seed
        )
        tree = _as_arrays(
            model.fit(pixels, train.labels, sample_weight=train.weights), settings.size
        )
        row = {"max_depth": max_depth, "pruning": pruning, "leaves": tree.leaves}
        return Candidate(tree, row, tree.walk(held_out))

    pairs = list(product(sorted(settings.max_depth), sorted(settings.pruning, reverse=True)))
    return best_candidate(pairs, fit_one, validation, doing="decision tree")


def _features(
    images: Pixels, size: int, rows: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.float32]:
    """Read, average and flatten images, 512 at a time; returns (N, size * size * 3)."""
    rows = np.arange(len(images)) if rows is None else rows
    features = np.empty((len(rows), size * size * 3), np.float32)
    for start in range(0, len(rows), _CHUNK):
        chunk = images[rows[start : start + _CHUNK]]
        features[start : start + _CHUNK] = shrink(chunk, size).reshape(len(chunk), -1)
    return features


def _as_arrays(model: "DecisionTreeClassifier", size: int) -> DecisionTree:
    nodes = model.tree_
    spirals = nodes.value[:, 0, 1] * nodes.n_node_samples
    return DecisionTree(
        size=np.int64(size),
        feature=nodes.feature.astype(np.int64),
        threshold=nodes.threshold.astype(np.float64),
        left=nodes.children_left.astype(np.int64),
        right=nodes.children_right.astype(np.int64),
        p_spiral=((spirals + 1) / (nodes.n_node_samples + 2)).astype(np.float32),
    )
