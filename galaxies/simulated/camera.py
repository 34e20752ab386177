"""The simulated camera: seeing, sky noise, and the cut-out that volunteers see."""

import io
from dataclasses import dataclass

import galsim
import numpy as np
from PIL import Image
from scipy.fft import irfft2, next_fast_len, rfft2

from galaxies.base.arrays import Floats, Pixels
from galaxies.images.colour import BANDS

PIXEL = 0.396  # arcsec, the SDSS camera


FRAME = 424  # pixels, the cut-outs of Galaxy Zoo


ZEROPOINT = 22.5  # magnitude of one nanomaggy


# Sky and read noise in nanomaggies per pixel: about the depth of SDSS images.
SKY_NOISE = {"g": 0.0156, "r": 0.031, "i": 0.040}


# Photon noise of the galaxy: there are about 1 / SHOT electrons per nanomaggy.
SHOT = {"g": 0.0013, "r": 0.0011, "i": 0.0015}


# Median full widths at half maximum in arcsec (Xin et al. 2018, AJ 156, 222).
SEEING = {"g": 1.43, "r": 1.31, "i": 1.24}


FIELD_QUALITY = 82  # of the colour fields: the fine noise of real cut-outs is between 75 and 88
JPEG_QUALITY = 75  # of the cut-outs


@dataclass(frozen=True)
class Band:
    """The point-spread function of an exposure, slightly off centre, and its FWHM in arcsec.

    `kernel` is the same function on SDSS pixels, with a sum of 1, shape (49, 49).
    """

    name: str
    psf: galsim.GSObject
    fwhm: float
    kernel: Floats


KERNEL = 49  # pixels along each side of a kernel


def draw_bands(rng: np.random.Generator) -> tuple[Band, ...]:
    """Draw the observing conditions of one galaxy in bands g, r, i.

    The point-spread function is a double Gaussian, like the fit of the SDSS pipeline, and includes
    the pixel.
    """
    common = float(np.exp(rng.normal(0.0, 0.09)))
    centring = rng.normal(0.0, 0.3, 2)  # arcsec: cut-outs are centred on a pixel
    bands = []
    for name in BANDS:
        fwhm = SEEING[name] * common * float(np.exp(rng.normal(0.0, 0.04)))
        sigma = fwhm / 2.355
        ellipticity, angle = abs(rng.normal(0.0, 0.03)), rng.uniform(0.0, np.pi)
        psf = galsim.Gaussian(sigma=sigma * 0.96, flux=0.88) + galsim.Gaussian(
            sigma=sigma * 2.3, flux=0.12
        )
        psf = psf.shear(e=ellipticity, beta=angle * galsim.radians)
        psf = psf.shift(*(centring + rng.normal(0.0, 0.05, 2)))
        image = psf.drawImage(nx=KERNEL, ny=KERNEL, scale=PIXEL, method="no_pixel")
        bands.append(Band(name, psf, fwhm, np.asarray(image.array, dtype=np.float64)))
    return tuple(bands)


def blur(maps: Floats, *kernels: Floats) -> Floats:
    """Convolve maps with kernels.

    Parameters
    ----------
    maps : ndarray of shape (..., n, n)
        Light on SDSS pixels; there is none outside.
    kernels : ndarray of shape (..., k, k)
        Kernels with odd k; leading axes are broadcast with those of the maps.

    Returns
    -------
    ndarray of shape (..., n, n), float64

    Examples
    --------
    >>> import numpy as np
    >>> point = np.zeros((1, 9, 9))
    >>> point[0, 4, 4] = 1.0
    >>> blur(point, np.full((1, 3, 3), 1 / 9))[0, 4, 3:6].round(3).tolist()
    [0.111, 0.111, 0.111]
    """
    size = maps.shape[-1]
    reach = sum(kernel.shape[-1] // 2 for kernel in kernels)
    padded = (next_fast_len(size + 2 * reach, real=True),) * 2
    # Single precision takes half the time, and its error is far below the noise.
    transform = rfft2(maps.astype(np.float32), padded)
    for kernel in kernels:
        transform = transform * rfft2(kernel.astype(np.float32), padded)
    seen = irfft2(transform, padded)[..., reach : reach + size, reach : reach + size]
    return np.asarray(seen, dtype=np.float64)


def nanomaggies(magnitude: float | Floats) -> Floats:
    """Convert AB magnitudes to nanomaggies."""
    return np.asarray(10 ** (0.4 * (ZEROPOINT - np.asarray(magnitude))), dtype=np.float64)


def colours(r_magnitude: float, g_r: float, r_i: float) -> Floats:
    """Compute the fluxes in g, r, i in nanomaggies, shape (3,)."""
    return nanomaggies(np.array([r_magnitude + g_r, r_magnitude, r_magnitude - r_i]))


def plane(size: int) -> tuple[Floats, Floats]:
    """Compute offsets in x and y from the centre of a square frame in arcsec, (size, size)."""
    axis = (np.arange(size) - (size - 1) / 2) * PIXEL
    x, y = np.meshgrid(axis, axis)
    return x, y


def expose(sky: Floats, rng: np.random.Generator, noise_factor: float) -> Floats:
    """Add sky and photon noise.

    Parameters
    ----------
    sky : ndarray of shape (3, n, n), float64
        Noise-free light per SDSS pixel in nanomaggies, bands g, r, i.
    rng : numpy.random.Generator
        Random numbers.
    noise_factor : float
        Sky noise of the night relative to the median of the survey.

    Returns
    -------
    ndarray of shape (3, n, n), float64

    Examples
    --------
    >>> import numpy as np
    >>> dark = np.zeros((3, 64, 64))
    >>> exposed = expose(dark, np.random.default_rng(0), noise_factor=1.0)
    >>> exposed.std(axis=(1, 2)).round(3).tolist()
    [0.016, 0.031, 0.04]
    """
    exposed = np.empty_like(sky)
    for layer, name in enumerate(BANDS):
        variance = (noise_factor * SKY_NOISE[name]) ** 2 + SHOT[name] * np.clip(sky[layer], 0, None)
        exposed[layer] = sky[layer] + rng.normal(0.0, 1.0, sky[layer].shape) * np.sqrt(variance)
    return exposed


def cut_out(image: Pixels) -> bytes:
    """Resample a colour image to the frame of Galaxy Zoo and encode it.

    SDSS stores its colour fields as JPEGs, and its image service enlarges these. The blotchy noise
    and smeared colours of real cut-outs come from this first compression.
    """
    field = io.BytesIO()
    Image.fromarray(image).save(field, "JPEG", quality=FIELD_QUALITY)
    frame = Image.open(field).resize((FRAME, FRAME), Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    frame.save(encoded, "JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()
