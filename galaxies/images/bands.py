"""Which planes of a FITS file are light, by their names."""

import re
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
        "SKYFLAT NOBS KERNEL APERTURE BEAM CATALOG SPECTRUM "
        "SIG SIGNIFICANCE S2N BACK BG BCK EBV EBMV KAPPA SHEAR GAMMA GAMMA1 GAMMA2 CONVERGENCE "
        "MAGNIFICATION PROB PDF ZPHOT PHOTOZ MASS MASSMAP MSTAR STELLARMASS SFR SSFR AGE AGEMAP "
        "METALLICITY ZMET VEL VDISP LOSVD DISP FWHM TEMP TEMPERATURE LABEL LABELS MAGLIM "
        "ZEROPOINT AIRMASS NUM NUMEXP NCOMBINE NIMG FRAC FRACTION COMPLETENESS RATIO COLORMAP "
        "COLOURMAP DUST"
    )
)
_WITHIN: Final = (
    "MASK", "VARIANCE", "INVVAR", "WEIGHT", "ERROR", "SIGMA", "FLAG", "UNCERT", "EXTINCT",
    "REDDENING", "DETECT", "PROBAB", "SEEING", "REDSHIFT", "VELOC", "DISPERSION", "BACKGR",
    "EXPOSURE", "COVERAGE", "CONFID", "QUALITY", "NOISE", "RESIDUAL", "SEGMENT", "DEPTH",
    "ELLIPTICITY", "BADPIX",
)  # fmt: skip
"""Parts of a word that say so too, as in MASKBITS."""
_ENDS: Final = re.compile(r"PSF.*|.*VAR|.*RMS|.*ERR|.*WHT|EXTINCT.*|.*CHI2?")
"""Words that begin or end so, as PSFIMG and NVAR."""
_ALONE: Final = frozenset(
    words("COUNT MEDIAN COLOR COLOUR COLORS COLOURS MIN MAX AV NH TAU TS ID EW PA MU NUMBER INDEX")
)
"""Words that say so if the name has no others; COUNT RATE is light."""
_COLOUR: Final = re.compile(r"(E ?\(?|COLOU?R ?)?([UGRIZYBVJHK]) ?- ?([UGRIZYBVJHK]) ?\)?")
"""Differences of magnitudes: B-V, E(B-V)."""


def is_light(name: str) -> bool | None:
    """Whether a plane with this name is light; `None` if the name does not say.

    Examples
    --------
    >>> is_light("SCI"), is_light("VAR_POISSON"), is_light("maskbits"), is_light("g")
    (True, False, False, None)
    >>> is_light("COUNT"), is_light("COUNT_RATE"), is_light("E(B-V)"), is_light("NGC 4030")
    (False, True, False, None)
    """
    parts = words(name)
    if any(
        word in _NOT_LIGHT or _ENDS.fullmatch(word) or any(part in word for part in _WITHIN)
        for word in parts
    ):
        return False
    if any(word in _LIGHT for word in parts):
        return True
    if _COLOUR.fullmatch(name.strip().upper()) or (parts and _ALONE.issuperset(parts)):
        return False
    return None
