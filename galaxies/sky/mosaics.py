"""Cut-outs from one's own mosaics: a folder of large FITS images with world coordinates."""

import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.nddata import extract_array
from astropy.nddata.utils import NoOverlapError
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS, FITSFixedWarning, WcsError
from astropy.wcs.utils import proj_plane_pixel_scales
from PIL import Image

from galaxies.base.arrays import Floats
from galaxies.errors import GalaxiesError, needs
from galaxies.images.bands import is_light
from galaxies.images.decode import UnreadableImageError
from galaxies.images.filters import meanings, wavelengths
from galaxies.images.fits import colour_frame
from galaxies.images.fits_names import filter_of
from galaxies.images.units import read_unit
from galaxies.sky.cutouts import FIRST_RADIUS, GUESS, MEASURED, Cutout
from galaxies.sky.manners import OUTSIDE
from galaxies.sky.positions import Positions
from galaxies.sky.radius import frame_scale, measure_radius
from galaxies.sky.services import FRAME, Sdss

with needs("sky"):
    import cv2

_SUFFIXES: Final = (".fits", ".fit", ".fits.fz", ".fits.gz")
_NO_LIGHT: Final = frozenset(
    {
        "blobmodel", "chi2", "depth", "dq", "err", "error", "exp", "exptime", "galdepth", "invvar",
        "mask", "maskbits", "model", "nexp", "psf", "psfsize", "resid", "rms", "seg",
        "segmentation", "var", "variance", "weight", "wht",
    }
)  # fmt: skip
"""Words in the name of a file or extension that holds no light."""
_OPEN: Final = 128  # tiles whose files are open at a time
_MARGIN: Final = 3  # pixels around a frame, which its edges are interpolated from
_MAGGIES: Final = ("maggy", 1.0)
_PLAIN: Final = {-32: ">f4", -64: ">f8", 16: ">i2", 32: ">i4", 8: "u1"}
"""Numpy's name for the numbers of a FITS image, by `BITPIX`."""
_MISSING: Final = 0.05  # share of a frame that may lie beyond the edge of a tile, or have no data
_SMALLEST_FRAME, _LARGEST_FRAME = 16, 4096  # pixels of a tile along each side of a cut-out


class _Plain(NamedTuple):
    """Where the numbers of an image stand in its file, one after the other as they are."""

    offset: int
    kind: str
    shape: tuple[int, int]


class _Band(NamedTuple):
    path: Path
    hdu: int
    means: dict[str, float]
    """What its filter may be (`galaxies.images.filters.meanings`)."""
    plain: _Plain | None
    """`None` if the numbers are scaled or compressed."""


class _Tile(NamedTuple):
    """A part of the sky, in one or several bands with the same pixels."""

    pixels: tuple["_Pixels", ...]
    """Of its bands, from blue to red."""
    wcs: WCS
    shape: tuple[int, int]
    scale: float
    """Arcsec per pixel."""
    calibrated: bool
    """Whether its values are nanomaggies per pixel."""


class _Places(NamedTuple):
    """Where each position is: the number of its tile, -1 if none, and its pixel there."""

    tile: npt.NDArray[np.int32]
    x: Floats
    y: Floats


class Mosaics:
    """Cut-outs from a folder of FITS images.

    Files, or extensions, with the same world coordinates and filters of different names are the
    bands of one tile. Where tiles overlap, the one whose edge is farthest away is cut. The colours
    are those of `galaxies.images.fits.decode_fits`.

    Parameters
    ----------
    folder : Path
        The images, also in folders below; tile-compressed ones too.
    default_radius : float, optional
        Petrosian 90% radius in arcsec for galaxies without one; by default it is measured on a
        first cut-out.

    Raises
    ------
    GalaxiesError
        If there is no image with world coordinates.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.sky.positions import read_positions
    >>> mosaics = Mosaics(Path("night1"), default_radius=6)
    >>> cutout = mosaics.cut(read_positions(Path("positions.csv")), 0)
    >>> cutout.image.size, cutout.scale, cutout.radius_from
    ((424, 424), 0.12, 'given')
    >>> mosaics.close()
    """

    name = "local"
    release = ""

    def __init__(self, folder: Path, default_radius: float | None = None) -> None:
        if not folder.is_dir():
            raise GalaxiesError(f"{folder}: no such folder of FITS images")
        self.layer = folder.resolve().name
        self._default = default_radius
        self._tiles = _find_tiles(folder)
        self._places: _Places | None = None
        self._used: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()

    def fetch(self, positions: Positions) -> None:
        """Find the tile of each position."""
        self._places = _locate(self._tiles, positions.ra, positions.dec)

    def cut(self, positions: Positions, place: int) -> Cutout:
        """Cut out one galaxy."""
        if positions.reasons[place] is not None:
            return Cutout(None, positions.reasons[place], None, None, None, None)
        if self._places is None:
            self.fetch(positions)
        assert self._places is not None
        number = int(self._places.tile[place])
        if number < 0:
            return Cutout(None, f"{OUTSIDE} of {self.layer}", None, None, None, None)
        where = float(self._places.x[place]), float(self._places.y[place])
        radius, where_from = float(positions.radius[place]), positions.radius_from
        if np.isnan(radius) and self._default is not None:
            radius, where_from = self._default, "given"
        try:
            if np.isnan(radius):
                first = self._frame(number, where, FIRST_RADIUS)
                pixels = measure_radius(first)
                if pixels is None:
                    radius, where_from = FIRST_RADIUS, GUESS
                    return Cutout(first, None, frame_scale(radius), radius, where_from, None)
                radius, where_from = pixels * frame_scale(FIRST_RADIUS), MEASURED
            frame = self._frame(number, where, radius)
        except UnreadableImageError as error:
            scale = None if np.isnan(radius) else frame_scale(radius)
            return Cutout(None, str(error), scale, radius if scale else None, where_from, None)
        return Cutout(frame, None, frame_scale(radius), radius, where_from, None)

    def _frame(self, number: int, where: tuple[float, float], radius: float) -> Image.Image:
        """Cut a frame of 424 pixels around a pixel of a tile."""
        tile = self._tiles[number]
        half = FRAME * frame_scale(radius) / tile.scale / 2
        if not _SMALLEST_FRAME <= 2 * half <= _LARGEST_FRAME:
            size = "large" if 2 * half > _LARGEST_FRAME else "small"
            raise UnreadableImageError(f"too {size} for a cut-out: {2 * half:.3g} tile pixels wide")
        side = 2 * (int(np.ceil(half)) + _MARGIN) + 1
        middle = round(where[0]), round(where[1])
        planes = self._planes(number, middle, side)
        inner = planes[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        valid = np.isfinite(inner).all(axis=0) & (inner != 0).any(axis=0)
        if valid.mean() < 1 - _MISSING:
            raise UnreadableImageError(f"{OUTSIDE} of {self.layer} (pixels without data)")
        if tile.calibrated:
            planes *= (Sdss.native / tile.scale) ** 2  # flux in a pixel of SDSS
        frame = colour_frame(planes, tile.calibrated)
        x = where[0] - middle[0] + side / 2
        y = side / 2 - (where[1] - middle[1])  # rows of an image go down
        return _resampled(frame, x, y, half)

    def _planes(self, number: int, middle: tuple[int, int], side: int) -> Floats:
        tile = self._tiles[number]
        self._use(number)
        planes = np.empty((len(tile.pixels), side, side))
        try:
            for plane, pixels in zip(planes, tile.pixels, strict=True):
                plane[:] = _part(pixels, middle, side)
        except NoOverlapError as error:
            raise UnreadableImageError(f"{OUTSIDE} of {self.layer}") from error
        # astropy raises any of these on damaged files.
        except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
            raise UnreadableImageError(f"the tile cannot be read ({error})") from error
        return planes

    def _use(self, number: int) -> None:
        """Close the tile that was used longest ago if there are too many."""
        with self._lock:
            self._used[number] = None
            self._used.move_to_end(number)
            last = self._used.popitem(last=False)[0] if len(self._used) > _OPEN else None
        if last is not None:
            self._close(last)

    def _close(self, number: int) -> None:
        for pixels in self._tiles[number].pixels:
            pixels.close()

    def close(self) -> None:
        """Close all files; they are opened again when needed."""
        for number in range(len(self._tiles)):
            self._close(number)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the lock behind when a chunk goes to another machine."""
        return {**self.__dict__, "_used": OrderedDict(), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


class _Pixels:
    """The pixels of a band, on disk; opened when they are read, and again after `close`."""

    def __init__(self, band: _Band) -> None:
        self._band = band
        self._lock = threading.Lock()
        self._file: fits.HDUList | None = None
        self._array: Any = None

    def read(self, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        """Read a part; several threads may do so."""
        with self._lock:
            if self._array is None:
                self._open()
            if self._band.path.suffix.lower() == ".gz":
                # Whole rows at once: for each part of one, astropy unpacks the file anew.
                part = self._array[rows][:, columns]
            else:
                part = self._array[rows, columns]
            with np.errstate(invalid="ignore", over="ignore"):  # which are blank pixels
                light: npt.NDArray[np.float32] = part.astype(np.float32)
        return light

    def _open(self) -> None:
        path, plain = self._band.path, self._band.plain
        if plain is not None:
            # A view, because numpy takes much longer to cut its own kind of map.
            mapped = np.memmap(path, plain.kind, "r", plain.offset, plain.shape)
            self._array = np.asarray(mapped)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyUserWarning)  # a short file is an error, below
            # Scaled numbers cannot be mapped; a section of them is read and scaled.
            self._file = fits.open(path, memmap=False)
            self._array = self._file[self._band.hdu].section

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._array = None
            if self._file is not None:
                self._file.close()
                self._file = None

    def __reduce__(self) -> tuple[type["_Pixels"], tuple[_Band]]:
        return _Pixels, (self._band,)


def _part(pixels: _Pixels, middle: tuple[int, int], side: int) -> npt.NDArray[np.float32]:
    """Read a square of a tile, with NaN beyond the edges."""
    left, bottom = middle[0] - side // 2, middle[1] - side // 2
    first, last = (max(bottom, 0), max(left, 0)), (bottom + side, left + side)
    part = pixels.read(slice(first[0], last[0]), slice(first[1], last[1]))
    if part.shape == (side, side):
        return part
    shift = middle[1] - first[0], middle[0] - first[1]
    whole: npt.NDArray[np.float32] = extract_array(
        part, (side, side), shift, mode="partial", fill_value=np.nan
    )
    return whole


def _resampled(frame: Image.Image, x: float, y: float, half: float) -> Image.Image:
    """Interpolate a square of a frame, 2 `half` wide around (x, y), to 424 pixels."""
    if 2 * half > FRAME:  # averaged: Pillow lets every pixel count
        box = (x - half, y - half, x + half, y + half)
        return frame.resize((FRAME, FRAME), Image.Resampling.BILINEAR, box)
    # Of pixels with four bytes OpenCV makes a frame in a third of the time.
    pixels = np.frombuffer(frame.tobytes("raw", "RGBX"), np.uint8).reshape(*frame.size[::-1], 4)
    step = 2 * half / FRAME
    # Pixels of OpenCV have their middle, and not their corner, at whole numbers.
    to_pixels = np.array([[step, 0, x - half + step / 2 - 0.5],
                          [0, step, y - half + step / 2 - 0.5]])  # fmt: skip
    large = cv2.warpAffine(
        pixels,
        to_pixels,
        (FRAME, FRAME),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return Image.frombytes("RGB", (FRAME, FRAME), large.tobytes(), "raw", "RGBX")


def _find_tiles(folder: Path) -> list[_Tile]:
    """Read the headers of all images below a folder, and join bands to tiles."""
    groups: dict[tuple[Any, ...], list[tuple[_Band, WCS, bool]]] = {}
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(_SUFFIXES) and not path.name.startswith(".")
    )
    for path in paths:
        for band, wcs, calibrated in _images(path):
            grid = (wcs.wcs.crval, wcs.wcs.crpix, wcs.pixel_scale_matrix.ravel() * 3600)
            key = (*wcs.array_shape, *(round(float(v), 4) for values in grid for v in values))
            groups.setdefault(key, []).append((band, wcs, calibrated))
    if not groups:
        raise GalaxiesError(f"{folder}: contains no FITS image with world coordinates")
    return [tile for members in groups.values() for tile in _tiles_of(members)]


def _tiles_of(members: list[tuple[_Band, WCS, bool]]) -> Iterator[_Tile]:
    """Make one tile of bands with different names, or a tile of each image."""
    lengths = wavelengths([band.means for band, _, _ in members])
    known = [length for length in lengths if length is not None]
    if len(set(known)) == len(members):
        together = [[members[place] for place in np.argsort(known)]]
    elif len(members) > 1:
        listed = ", ".join(f"{band.path.name}[{band.hdu}]" for band, _, _ in members[:4])
        raise GalaxiesError(
            f"{members[0][0].path.parent}: images of one place without names of different filters "
            f"({listed}); put FILTER into their headers, or keep one of them"
        )
    else:
        together = [members]
    for bands in together:
        wcs = bands[0][1]
        height, width = wcs.array_shape
        scale = float(np.mean(proj_plane_pixel_scales(wcs))) * 3600
        calibrated = all(calibrated for _, _, calibrated in bands)
        yield _Tile(
            tuple(_Pixels(band) for band, _, _ in bands), wcs, (height, width), scale, calibrated
        )


def _images(path: Path) -> Iterator[tuple[_Band, WCS, bool]]:
    """Iterate over the images of light in a file."""
    if _words(path.name) & _NO_LIGHT:
        return
    try:
        with fits.open(path, memmap=True) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            for number, hdu in enumerate(file):
                header = hdu.header
                if not hdu.is_image or header.get("NAXIS") != 2 or 0 in hdu.shape:
                    continue
                extname = str(header.get("EXTNAME", ""))
                if is_light(extname) is False or _words(extname) & _NO_LIGHT:
                    continue
                wcs = WCS(header)
                if not wcs.has_celestial:
                    continue
                wcs.array_shape = hdu.shape
                stated = str(header.get("BUNIT", ""))
                unit = read_unit(stated)
                if not unit.light:
                    continue
                nanomaggies = unit.words == (_MAGGIES,)
                if unit.wrong or (nanomaggies and unit.factor != 1):
                    wrong = unit.wrong or f"is in {stated}; give nanomaggies"
                    raise GalaxiesError(f"{path}: {wrong}")
                means = filter_of(header, file[0].header)[1] or _filter_in(path.name)
                yield _Band(path, number, means, _plain(hdu, path)), wcs, nanomaggies
    except (OSError, ValueError, TypeError, WcsError) as error:
        raise GalaxiesError(f"{path}: not a FITS image that can be read: {error}") from error


def _plain(hdu: Any, path: Path) -> _Plain | None:  # noqa: ANN401 - astropy has no types
    """Say where the numbers of an image stand, if they need neither scaling nor unpacking."""
    # A map of plain numbers is read a hundred times faster than a section, row by row.
    kind = _PLAIN.get(hdu.header.get("BITPIX"))
    scaled = {"BSCALE", "BZERO", "BLANK"} & set(hdu.header)
    if type(hdu) not in (fits.PrimaryHDU, fits.ImageHDU) or kind is None or scaled:
        return None
    if path.suffix.lower() == ".gz":
        return None
    height, width = hdu.shape
    return _Plain(hdu.fileinfo()["datLoc"], kind, (height, width))


def _filter_in(name: str) -> dict[str, float]:
    """Find a filter at the end of a file's name."""
    match = re.search(r"[-_.]([a-z0-9]+)\.fit", name.lower())
    return meanings(match[1]) if match else {}


def _words(text: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", text.lower()))


def _locate(tiles: Sequence[_Tile], ra: Floats, dec: Floats) -> _Places:
    """Find the tile of each position, and its pixel there."""
    places = _Places(np.full(len(ra), -1, np.int32), np.zeros(len(ra)), np.zeros(len(ra)))
    edge = np.zeros(len(ra))
    order = np.argsort(dec)  # NaN last
    sorted_dec = dec[order]
    for number, tile in enumerate(tiles):
        height, width = tile.shape
        corners = np.array([[-0.5, width - 0.5, width - 0.5, -0.5, width / 2],
                            [-0.5, -0.5, height - 0.5, height - 0.5, height / 2]])  # fmt: skip
        corner_ra, corner_dec = tile.wcs.all_pix2world(*corners, 0)
        middle = _vectors(corner_ra[-1:], corner_dec[-1:])[0]
        nearest = float((_vectors(corner_ra[:4], corner_dec[:4]) @ middle).min())
        reach = np.degrees(np.arccos(np.clip(nearest, -1, 1))) + 1 / 60
        low, high = np.searchsorted(sorted_dec, corner_dec[-1] + np.array([-reach, reach]))
        near = order[low:high]
        near = near[_vectors(ra[near], dec[near]) @ middle > np.cos(np.radians(reach))]
        if len(near) == 0:
            continue
        try:
            x, y = tile.wcs.all_world2pix(ra[near], dec[near], 0, quiet=True)
        except WcsError:
            continue
        within = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y)) + 0.5
        better = within > edge[near]
        edge[near[better]] = within[better]
        places.tile[near[better]] = number
        places.x[near[better]], places.y[near[better]] = x[better], y[better]
    return places


def _vectors(ra: Floats, dec: Floats) -> Floats:
    """Return unit vectors (N, 3) on the sky."""
    longitude, latitude = np.radians(ra), np.radians(dec)
    flat = np.cos(latitude)
    vectors: Floats = np.stack(
        [flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], axis=-1
    )
    return vectors
