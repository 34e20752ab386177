"""A decision tree on pixels."""

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Pixels, Probabilities, shrink
from galaxies.errors import GalaxiesError
from galaxies.learning.parts import Part
from galaxies.models.plain_arrays import read_arrays
from galaxies.settings import TreeSettings

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

_CHUNK = 512


class DecisionTree(NamedTuple):
    """A fitted tree as plain arrays over its nodes, so that loading it can run no code.

    A leaf's children are -1; a child always comes after its parent.
    """

    size: np.int64
    """Side in pixels of the images that it asks about."""
    feature: npt.NDArray[np.int64]
    """Which value of the flattened image (size, size, 3) a node asks about."""
    threshold: npt.NDArray[np.float64]
    """At most this goes left."""
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    p_spiral: npt.NDArray[np.float32]
    """Share of spirals among a node's training galaxies, by Laplace's rule of succession."""

    @property
    def leaves(self) -> int:
        """How many leaves there are."""
        return int((self.left < 0).sum())

    def predict(self, images: Pixels) -> Probabilities:
        """Probability of "spiral", float32 (N,), for uint8 images (N, side, side, 3)."""
        return self.walk(_features(images, int(self.size)))

    def walk(self, flat: npt.NDArray[np.float32]) -> Probabilities:
        """Probability of "spiral" for images already averaged and flattened, float32 (N, F)."""
        galaxies = np.arange(len(flat))
        node = np.zeros(len(flat), dtype=np.int64)
        while True:
            asking = self.left[node] >= 0
            if not asking.any():
                return self.p_spiral[node]
            goes_left = flat[galaxies, self.feature[node]] <= self.threshold[node]
            below = np.where(goes_left, self.left[node], self.right[node])
            node = np.where(asking, below, node)

    def save(self, path: Path) -> None:
        """Write an `.npz` file."""
        np.savez(path, **self._asdict())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        GalaxiesError
            If the file is damaged, or its nodes make no tree.
        """
        tree = cls._make(read_arrays(path, cls._fields).values())
        if not tree._is_one():
            raise GalaxiesError(f"{path}: its nodes make no tree; make the bundle again")
        return tree

    def _is_one(self) -> bool:
        """Whether every walk ends at a leaf with a probability, and asks what there is."""
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
            # Children after their parents: no walk goes round.
            and all(
                ((child[inner] > places[inner]) & (child[inner] < len(places))).all()
                for child in (self.left, self.right)
            )
            and ((asked >= 0) & (asked < 3 * size * size)).all()
            and ((self.p_spiral >= 0) & (self.p_spiral <= 1)).all()
        )


class FittedTree(NamedTuple):
    """The chosen tree and how the candidates did."""

    tree: DecisionTree
    chosen: dict[str, float]
    """`max_depth`, `pruning`, `leaves`, and `accuracy` and `loss` on validation galaxies."""
    candidates: list[dict[str, float]]
    """The same of every candidate."""


def fit_tree(images: Pixels, train: Part, validation: Part, settings: TreeSettings) -> FittedTree:
    """Fit a tree for every pair of depth and pruning, and keep the best on validation galaxies.

    Parameters
    ----------
    images
        uint8 (M, side, side, 3), of which the parts take rows.
    train, validation
        Galaxies to learn from, and to choose by.
    settings
        The candidates, the size the tree sees and the seed.

    Returns
    -------
    FittedTree
        The tree with the least log loss; of equals the shallower and more pruned one.
    """
    # Those who only predict need not wait for the import.
    from sklearn.metrics import log_loss
    from sklearn.tree import DecisionTreeClassifier

    known = _features(images, settings.size, train.rows)
    held_out = _features(images, settings.size, validation.rows)
    fitted: list[FittedTree] = []
    candidates: list[dict[str, float]] = []
    pairs = list(product(sorted(settings.max_depth), sorted(settings.pruning, reverse=True)))
    for max_depth, pruning in tqdm(pairs, desc="decision tree", unit=" fits"):
        model = DecisionTreeClassifier(
            max_depth=max_depth, ccp_alpha=pruning, random_state=settings.seed
        )
        tree = _as_arrays(model.fit(known, train.labels), settings.size)
        p = tree.walk(held_out)
        candidate = {
            "max_depth": max_depth,
            "pruning": pruning,
            "leaves": tree.leaves,
            "accuracy": float(((p > 0.5) == validation.labels).mean()),
            "loss": float(log_loss(validation.labels, p, labels=[0, 1])),
        }
        candidates.append(candidate)
        fitted.append(FittedTree(tree, candidate, candidates))
    return min(fitted, key=lambda one: one.chosen["loss"])


def _features(
    images: Pixels, size: int, rows: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.float32]:
    """Flattened images (N, size * size * 3), read some hundred at a time."""
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
