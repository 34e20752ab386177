"""Filters in order of wavelength, and which planes of a FITS file are light."""

import re
from typing import Final

_LETTERS: Final = {
    "U": 0.36, "B": 0.44, "G": 0.48, "V": 0.55, "R": 0.63, "I": 0.77, "Z": 0.90, "Y": 1.00,
    "J": 1.24, "H": 1.65, "K": 2.17,
}  # fmt: skip
"""Wavelengths in micrometres of Johnson-Cousins, SDSS, HSC, Legacy and near-infrared bands; letters
that two systems share are at nearly the same place."""
_NAMED: Final = {
    "FUV": 0.153, "NUV": 0.231, "VIS": 0.71, "W1": 3.4, "W2": 4.6, "W3": 12.0, "W4": 22.0,
    "IRAC1": 3.6, "IRAC2": 4.5, "IRAC3": 5.7, "IRAC4": 7.9,
}  # fmt: skip
# Such as g, r2 (HSC), gp1 (Pan-STARRS), Ks; and F814W, F200LP (HST), F1000W (JWST).
_LETTER: Final = re.compile(r"([UGRIZYBVJHK])(S|P|P1|2|PRIME|BAND)?")
_SPACE: Final = re.compile(r"F(\d{3,4})(W|M|N|LP|X|W2)")
_JWST: Final = ("NIRCAM", "MIRI", "NIRISS")
_TEN_NANOMETRES: Final = 200  # F160W of HST is at 1600 nm, F225W at 225 nm


def words(text: str) -> list[str]:
    """Split a name into words, in capitals.

    Examples
    --------
    >>> words("sci_g"), words("HSC-I2")
    (['SCI', 'G'], ['HSC', 'I2'])
    """
    return [word for word in re.split(r"[^A-Z0-9]+", text.upper()) if word]


_LIGHT: Final = frozenset(
    words(
        "SCI SCIENCE IMAGE IMG DATA FLUX SIGNAL COADD CUTOUT MOSAIC BRIGHTNESS INTENSITY COUNTS "
        "RATE"
    )
)
_NOT_LIGHT: Final = frozenset(
    words(
        "MSK DQ QUALITY QUAL BPM BADPIX VAR IVAR ERR RMS STD STDDEV NOISE UNC UNCERT STAT WHT WGT "
        "WT EXP EXPMAP EXPOSURE EXPTIME NEXP CTX CON CONTEXT AREA PSF DEPTH PSFDEPTH GALDEPTH SEG "
        "SEGM SEGMAP SEGMENTATION BKG BKGD BACKGROUND SKY MODEL BLOBMODEL RESID RESIDUAL CHI CHI2 "
        "COVERAGE COV NIMAGE NIMAGES SAMP TIME HITS D2IMARR WCSDVARR MSE INVMSE RMSE INVRMSE GAIN "
        "DARK BIAS FLAT SN SNR WAVELENGTH LAMBDA THUMBNAIL THUMB PREVIEW MAXVALS "
        "CONF CONFIDENCE CONFMAP IVM OBJECTS WTMAP VARMAP RMSMAP ERRMAP ZERO FLATFIELD DOMEFLAT "
        "SKYFLAT NOBS KERNEL APERTURE BEAM CATALOG SPECTRUM"
    )
)
_WITHIN: Final = ("MASK", "VARIANCE", "INVVAR", "WEIGHT", "ERROR", "SIGMA", "FLAG", "UNCERTAINTY")
"""Parts of a word that say so too, as in MASKBITS."""


def is_light(name: str) -> bool | None:
    """Whether a plane with this name is light; `None` if the name does not say.

    Examples
    --------
    >>> is_light("SCI"), is_light("VAR_POISSON"), is_light("maskbits"), is_light("g")
    (True, False, False, None)
    """
    parts = words(name)
    if any(word in _NOT_LIGHT or any(part in word for part in _WITHIN) for word in parts):
        return False
    return True if any(word in _LIGHT for word in parts) else None


def wavelength(name: str, instrument: str = "") -> float | None:
    """Find the wavelength of a filter.

    Parameters
    ----------
    name : str
        Name of the filter, in the way of any survey.
    instrument : str
        Telescope and instrument; F444W is another filter in JWST than it would be in HST.

    Returns
    -------
    float or None
        Micrometres, good enough to sort; `None` if the filter is not listed.

    Examples
    --------
    >>> [wavelength(name) for name in ("HSC-I", "F814W", "F160W", "g DECam SDSS c0001")]
    [0.77, 0.814, 1.6, 0.48]
    >>> wavelength("F444W", "JWST NIRCAM"), wavelength("CLEAR1L")
    (4.44, None)
    """
    webb = "JWST" in instrument.upper() or any(word in instrument.upper() for word in _JWST)
    for word in words(name):
        if word in _NAMED:
            return _NAMED[word]
        if match := _LETTER.fullmatch(word):
            return _LETTERS[match[1]]
        if match := _SPACE.fullmatch(word):
            number = int(match[1])
            return number / (100 if webb or number < _TEN_NANOMETRES else 1000)
    return None
