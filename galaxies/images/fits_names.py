"""Which filters the headers of a FITS file name."""

from collections.abc import Sequence
from typing import Final

from astropy.io import fits

from galaxies.images.bands import is_light
from galaxies.images.decode import UnreadableImageError
from galaxies.images.filters import meanings, split_names, wavelengths, words

_PLANE: Final = (
    "PUPIL", "FILTER", "BAND", "FILTER1", "FILTER2", "FILTNAM1", "FILTERS", "CHNLNUM", "EXTNAME",
)  # fmt: skip
"""Keywords of the filter of a plane; a filter in the pupil of NIRCam is within the other one."""
_CUBE: Final = ("FILTERS", "FILTER", "BAND")
"""Keywords that may name all filters of a cube; BANDS, ours, comes first."""
_NUMBERED: Final = ("FILTER", "BAND", "FILTNAM", "PLANE")
"""Keywords that name a filter of a cube each, with its number, from 0 or 1 on."""
_NOTHING: Final = frozenset(("", "NONE", "N/A", "NA", "UNKNOWN", "MULTI", "MULTIPLE", "VARIOUS"))


def instrument_of(header: fits.Header, primary: fits.Header) -> str:
    """Say what took a plane; extensions inherit from the first header.

    Examples
    --------
    >>> from astropy.io import fits
    >>> instrument_of(fits.Header(), fits.Header({"TELESCOP": "JWST", "INSTRUME": "NIRCAM"}))
    'JWST NIRCAM'
    """
    keys = ("TELESCOP", "INSTRUME")
    return " ".join(str(header.get(key, primary.get(key, ""))) for key in keys).strip()


def filter_of(header: fits.Header, primary: fits.Header) -> tuple[str, dict[str, float]]:
    """Find the filter of a plane, and its `galaxies.images.filters.meanings`.

    Examples
    --------
    >>> from astropy.io import fits
    >>> filter_of(fits.Header({"FILTER1": "CLEAR1L", "FILTER2": "F814W"}), fits.Header())
    ('F814W', {'HST': 0.814})
    """
    instrument = instrument_of(header, primary)
    for key in _PLANE:
        name = str(header.get(key, ""))
        if found := meanings(name, instrument):
            return name, found
    return "", {}


def refuse_unclear(names: Sequence[str], bands: Sequence[dict[str, float]]) -> None:
    """Refuse filters that two telescopes have, if neither a header nor another filter says whose.

    Raises
    ------
    UnreadableImageError
        With the filter.
    """
    for name, band, length in zip(names, bands, wavelengths(bands), strict=True):
        if band and length is None:
            raise UnreadableImageError(
                f"has the filter {name}, which is another one in {' and '.join(band)}; name the "
                "telescope by TELESCOP"
            )


def listed_bands(header: fits.Header) -> list[str]:
    """List the filters in `BANDS`; none if it is missing."""
    return split_names(str(header.get("BANDS", "")))


def lengths_of(key: str, names: Sequence[str], count: int, instrument: str) -> list[float]:
    """Find the wavelengths of filters that a keyword names.

    Raises
    ------
    UnreadableImageError
        If there are more or fewer than planes, or one is not known or named twice.

    Examples
    --------
    >>> lengths_of("BANDS", ["r", "g"], 2, "")
    [0.63, 0.48]
    """
    bands = [meanings(name, instrument) for name in names]
    if len(names) == 1 and bands[0] and count > 1:
        raise UnreadableImageError(
            f"has {count} planes, but {key} names one filter, {names[0]}; they may be light and "
            "its error: keep the light, or name all bands by BANDS"
        )
    if len(names) != count:
        raise UnreadableImageError(f"has {count} bands, but {key} names {len(names)}")
    if not all(bands):
        raise UnreadableImageError(f"has bands that are not known: {', '.join(names)}")
    refuse_unclear(names, bands)
    lengths = [length for length in wavelengths(bands) if length is not None]
    if len(set(lengths)) < len(lengths):
        raise UnreadableImageError(f"has one band twice in {key}")
    return lengths


def cube_lengths(header: fits.Header, primary: fits.Header, count: int) -> list[float]:
    """Find the wavelengths of the planes of a cube; none if no filter is named.

    Parameters
    ----------
    header : Header
        Of the cube.
    primary : Header
        The first of the file, which counts where that of the cube names no filter.
    count : int
        Number of planes.

    Raises
    ------
    UnreadableImageError
        If the names are not those of all planes, or if two keywords name different ones.

    Examples
    --------
    >>> from astropy.io import fits
    >>> cube_lengths(fits.Header({"FILTER": "i,g,r"}), fits.Header(), 3)
    [0.77, 0.48, 0.63]
    """
    instrument = instrument_of(header, primary)
    named = _named(header, count) or _named(primary, count)
    lengths = [lengths_of(key, names, count, instrument) for key, names in named]
    if any(other != lengths[0] for other in lengths[1:]):
        keys = " and ".join(key for key, _ in named)
        raise UnreadableImageError(f"has filters in different orders in {keys}")
    return lengths[0] if lengths else []


def _named(header: fits.Header, count: int) -> list[tuple[str, list[str]]]:
    """List keywords with the filters that they name."""
    if names := listed_bands(header):
        return [("BANDS", names)]
    named = [
        (key, split_names(text))
        for key in _CUBE
        if (text := str(header.get(key, "")).strip()).upper() not in _NOTHING
    ]
    for base in _NUMBERED:
        keys = [key for place in range(count + 2) if (key := f"{base}{place}") in header]
        names = [str(header[key]).strip() for key in keys]
        if base == "PLANE" and not all(map(meanings, names)):
            continue  # such as IMAGE
        if any(name.upper() not in _NOTHING for name in names):
            named.append((f"{keys[0]} to {keys[-1]}", names))
    # A word among others is not taken for a filter in a free text.
    extname = str(header.get("EXTNAME", ""))
    parts = [word for word in words(extname) if not is_light(word)]
    if len(parts) == 1 and all(map(meanings, split_names(parts[0]))):
        named.append(("EXTNAME", split_names(parts[0])))
    return named
