"""Which planes of a FITS file are light, by their names."""

from typing import Final

from galaxies.images.filters import words

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
