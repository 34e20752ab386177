"""The simulated camera: seeing, sky noise, colour composite and the cut-out people were shown."""

import io
from dataclasses import dataclass

import galsim
import numpy as np
from PIL import Image
from scipy.fft import irfft2, next_fast_len, rfft2

from galaxies.base.arrays import Floats, Pixels
from galaxies.images.colour import BANDS

PIXEL = 0.396  # arcsec, the Sloan camera


FRAME = 424  # pixels, the cut-outs of Galaxy Zoo


ZEROPOINT = 22.5  # magnitude of one nanomaggy


# Sky and read noise in nanomaggies per pixel: about the depth of the Sloan imaging.
SKY_NOISE = {"g": 0.0140, "r": 0.028, "i": 0.036}


# Electrons per nanomaggy are about 1 / SHOT: the galaxy's own photon noise.
SHOT = {"g": 0.0013, "r": 0.0011, "i": 0.0015}


# Median full widths at half maximum in arcsec (Xin et al. 2018, AJ 156, 222).
SEEING = {"g": 1.43, "r": 1.31, "i": 1.24}


JPEG_QUALITY = 75


@dataclass(frozen=True)
class Band:
    """One exposure: its point-spread function, slightly off centre, and its width in arcsec.

    `kernel` is the same function on survey pixels, sum 1, shape (49, 49).
    """

    name: str
    psf: galsim.GSObject
    fwhm: float
    kernel: Floats


KERNEL = 49  # pixels along each side of a kernel


def draw_bands(rng: np.random.Generator) -> tuple[Band, ...]:
    """Draw the observing conditions of one galaxy, bands g, r, i.

    A double Gaussian, as the Sloan pipeline itself fits; the measured function includes the pixel.
    """
    common = float(np.exp(rng.normal(0.0, 0.09)))
    centring = rng.normal(0.0, 0.3, 2)  # arcsec: a cut-out's middle is a whole pixel
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
    """Convolve maps with one kernel after the other.

    Parameters
    ----------
    maps : ndarray, shape (..., n, n)
        Light on survey pixels; what lies outside is dark.
    kernels : ndarray, shape (..., k, k)
        Odd k; leading axes are matched with those of the maps.

    Returns
    -------
    ndarray of shape (..., n, n), float64
    """
    size = maps.shape[-1]
    reach = sum(kernel.shape[-1] // 2 for kernel in kernels)
    padded = (next_fast_len(size + 2 * reach, real=True),) * 2
    # Single precision: seven digits are far below the noise, in half the time.
    transform = rfft2(maps.astype(np.float32), padded)
    for kernel in kernels:
        transform = transform * rfft2(kernel.astype(np.float32), padded)
    seen = irfft2(transform, padded)[..., reach : reach + size, reach : reach + size]
    return np.asarray(seen, dtype=np.float64)


def nanomaggies(magnitude: float | Floats) -> Floats:
    """Flux of an AB magnitude in nanomaggies."""
    return np.asarray(10 ** (0.4 * (ZEROPOINT - np.asarray(magnitude))), dtype=np.float64)


def colours(r_magnitude: float, g_r: float, r_i: float) -> Floats:
    """Fluxes in nanomaggies in g, r, i, shape (3,)."""
    return nanomaggies(np.array([r_magnitude + g_r, r_magnitude, r_magnitude - r_i]))


def plane(size: int) -> tuple[Floats, Floats]:
    """Offsets in x and y from the middle of a square frame in arcsec, each (size, size)."""
    axis = (np.arange(size) - (size - 1) / 2) * PIXEL
    x, y = np.meshgrid(axis, axis)
    return x, y


def expose(sky: Floats, rng: np.random.Generator, noise_factor: float) -> Floats:
    """Add sky and photon noise.

    Parameters
    ----------
    sky : ndarray of shape (3, n, n), float64
        Noise-free light per survey pixel in nanomaggies, bands g, r, i.
    rng : numpy.random.Generator
    noise_factor : float
        The night's sky noise relative to the survey's median.

    Returns
    -------
    ndarray of shape (3, n, n), float64
    """
    exposed = np.empty_like(sky)
    for layer, name in enumerate(BANDS):
        variance = (noise_factor * SKY_NOISE[name]) ** 2 + SHOT[name] * np.clip(sky[layer], 0, None)
        exposed[layer] = sky[layer] + rng.normal(0.0, 1.0, sky[layer].shape) * np.sqrt(variance)
    return exposed


def cut_out(image: Pixels) -> bytes:
    """Resample a colour image to the frame of Galaxy Zoo and encode it.

    The survey keeps its colour fields as JPEG on survey pixels and its image service enlarges
    those, so the blotchy noise and the smeared colours of real cut-outs come from a first
    compression before the enlargement.
    """
    field = io.BytesIO()
    Image.fromarray(image).save(field, "JPEG", quality=JPEG_QUALITY)
    frame = Image.open(field).resize((FRAME, FRAME), Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    frame.save(encoded, "JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()
