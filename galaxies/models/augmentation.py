"""Training images as another telescope on another night might have seen them."""

from typing import Final

import cv2
import numpy as np

from galaxies.base.arrays import Floats, Pixels
from galaxies.settings import ReferenceSettings, ResidualSettings

_LEVELS: Final = np.arange(256) / 255
"""Grey levels from 0 to 1."""

_NOISE: Final = 8
"""Images of noise, prepared in advance. The noise of an image starts anywhere in them."""


class Augmentation:
    """Mirror, rotate, resize and shift each image at random.

    Galaxies have any position angle, and no exact centre. Everything is done in one resampling, so
    images are blurred only once. For the residual recipe it also changes what differs between
    surveys: sharpness, contrast, brightness, colour, sky level and noise. This is done outside the
    network, by a thread that works ahead while the network learns.

    Parameters
    ----------
    recipe : ReferenceSettings or ResidualSettings
        Largest changes.
    side : int
        Pixels along each side of the images.
    seed : int
        Seed of the random numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.settings import load_settings
    >>> augmentation = Augmentation(load_settings().cnn.residual, side=32, seed=0)
    >>> images = np.full((2, 32, 32, 3), 40, np.uint8)
    >>> augmented = augmentation(images, epoch=0, batch=3)
    >>> augmented.shape, augmented.dtype
    ((2, 32, 32, 3), dtype('uint8'))
    >>> np.array_equal(augmented, augmentation(images, epoch=0, batch=3))
    True
    """

    def __init__(self, recipe: ReferenceSettings | ResidualSettings, side: int, seed: int) -> None:
        self._recipe = recipe
        self._side = side
        self._seed = seed
        random = np.random.default_rng(seed)
        self._noise = random.standard_normal(_NOISE * side * side * 3, np.float32)

    def __call__(self, images: Pixels, epoch: int, batch: int) -> Pixels:
        """Change each image of a batch.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3), uint8
            Images.
        epoch, batch : int
            Numbers from 0. The random numbers depend on them and on the seed alone, so batches can
            be made in any order.

        Returns
        -------
        ndarray of shape (N, side, side, 3), uint8
        """
        random = np.random.default_rng([self._seed, epoch, batch])
        changed = self._moved(images, random)
        if isinstance(self._recipe, ResidualSettings):
            self._seen_by_another_camera(changed, self._recipe, random)
        return changed

    def _moved(self, images: Pixels, random: np.random.Generator) -> Pixels:
        """Rotate about the centre, mirror, resize and shift, in one resampling."""
        recipe, side, count = self._recipe, self._side, len(images)
        angle = _draw(random, count, np.pi * recipe.rotation / 180)
        scale = 1 + _draw(random, count, recipe.zoom)
        mirror = random.choice([-1.0, 1.0], count)
        shifts = _draw(random, (count, 2), recipe.shift * side)
        # The position in the image of each pixel of the result.
        places = np.empty((count, 2, 3))
        places[:, 0, 0] = scale * np.cos(angle) * mirror
        places[:, 0, 1] = -scale * np.sin(angle)
        places[:, 1, 0] = scale * np.sin(angle) * mirror
        places[:, 1, 1] = scale * np.cos(angle)
        centre = (side - 1) / 2
        places[:, :, 2] = centre * (1 - places[:, :, :2].sum(axis=2)) + shifts
        moved = np.empty(images.shape, np.uint8)
        for image, place, result in zip(images, places, moved, strict=True):
            cv2.warpAffine(
                image,
                place,
                (side, side),
                dst=result,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT,
            )
        return moved

    def _seen_by_another_camera(
        self, images: Pixels, recipe: ResidualSettings, random: np.random.Generator
    ) -> None:
        """Change sharpness, contrast, brightness, colour, sky level and noise, in place."""
        count, size = len(images), images[0].size
        blur = _draw(random, count, recipe.blur)
        # Sharpening increases the noise, so there is less of it than of blurring.
        blur = np.where(blur < 0, 0.4 * blur, 1.6 * blur)
        power = np.exp(_draw(random, count, recipe.stretch))
        brightness = 1 + _draw(random, count, recipe.brightness)
        colour = 1 + _draw(random, (count, 3), recipe.colour)
        sky = _draw(random, count, recipe.background)
        noise = random.uniform(0, recipe.noise, count)
        starts = random.integers(0, len(self._noise) - size, count)
        # What becomes of each grey level, in each colour.
        curves = 255 * (_LEVELS[:, None] ** power).T[:, :, None]
        curves = curves * (brightness[:, None] * colour)[:, None, :] + sky[:, None, None]
        curves = curves.astype(np.float32)
        for image, curve, k, sigma, start in zip(images, curves, blur, noise, starts, strict=True):
            blurred = cv2.blur(image, (3, 3))
            cv2.addWeighted(image, 1 - k, blurred, k, 0, dst=image)
            grain = self._noise[start : start + size].reshape(image.shape)
            cv2.addWeighted(
                cv2.LUT(image, curve[None]), 1, grain, sigma, 0, dst=image, dtype=cv2.CV_8U
            )


def _draw(random: np.random.Generator, shape: int | tuple[int, ...], reach: float) -> Floats:
    """Draw numbers from `-reach` to `reach`."""
    return random.uniform(-reach, reach, shape)
