"""Filters of telescopes and surveys, and their wavelengths."""

import re
from collections.abc import Sequence
from typing import Final

_LETTERS: Final = {
    "U": 0.36, "B": 0.44, "G": 0.48, "V": 0.55, "R": 0.63, "I": 0.77, "Z": 0.90, "Y": 1.00,
    "J": 1.24, "H": 1.65, "K": 2.17,
}  # fmt: skip
"""Wavelengths in micrometres of Johnson-Cousins, SDSS, HSC, Legacy, Euclid and near-infrared bands;
letters that two systems share are at nearly the same place."""
_NAMED: Final = {
    "FUV": 0.153, "NUV": 0.231, "UVW2": 0.206, "UVM2": 0.225, "UVW1": 0.258, "VIS": 0.71,
    "HBETA": 0.486, "HALPHA": 0.656, "HA": 0.656, "W1": 3.4, "W2": 4.6, "W3": 12.0, "W4": 22.0,
    "IRAC1": 3.6, "IRAC2": 4.5, "IRAC3": 5.7, "IRAC4": 7.9,
}  # fmt: skip
# Such as g, r2 (HSC), gp1 (Pan-STARRS), Ks.
_LETTER: Final = re.compile(r"([UGRIZYBVJHK])(S|P|P1|2|PRIME|BAND)?")
_MICRONS: Final = re.compile(
    r"(?<![\d.])(\d+(?:\.\d+)?)[ _]*(?:um|microns?|\u00b5m|\u03bcm)\b", re.I
)
_GREEK: Final = ("ALPHA", "BETA")
_DIGITS: Final = re.compile(r"(?:CH|I|W|B|BAND)?([1-4])")


def _filters(names: str, unit: float, **others: float) -> dict[str, float]:
    """Wavelengths of filters whose names have them in some unit, and of others."""
    return {name: int(re.sub(r"\D.*", "", name[1:])) / unit for name in names.split()} | others


# The pivots of filters without a red edge are far from the number in their names.
_HUBBLE: Final = (
    # WFPC2, ACS, WFC3
    _filters(
        "F122M F170W F185W F218W F220W F225W F250W F255W F275W F280N F300W F300M F330W F336W F343N "
        "F344N F373N F375N F380W F390N F390M F390W F395N F410M F435W F437N F438W F439W F450W F467M "
        "F469N F475W F487N F502N F547M F550M F555W F569W F588N F606W F621M F622W F625W F631N F645N "
        "F656N F657N F658N F660N F665N F673N F675W F680N F689M F702W F763M F775W F791W F814W F845M "
        "F892N F953N F1042M",
        1000, F115LP=0.141, F125LP=0.144, F130LP=0.25, F140LP=0.153, F150LP=0.161, F165LP=0.176,
        F160BW=0.152, F200LP=0.488, F300X=0.282, F350LP=0.585, F475X=0.494, F600LP=0.745,
        F785LP=0.87, F850LP=0.905,
    )
    # The infrared channel of WFC3, and NICMOS
    | _filters(
        "F090M F095N F097N F098M F105W F108N F110M F110W F113N F125W F126N F127M F128N F130N F132N "
        "F139M F140W F145M F150W F153M F160W F164N F165M F166N F167N F170M F171M F175W F180M F187N "
        "F187W F190N F196N F200N F204M F205W F207M F212N F215N F216N F222M F237M F240M",
        100,
    )
)  # fmt: skip
_WEBB: Final = _filters(
    # NIRCam, NIRISS, NIRSpec, MIRI
    "F070W F090W F110W F115W F140M F150W F158M F162M F164N F182M F187N F200W F210M F212N F250M "
    "F277W F300M F323N F335M F356W F360M F380M F405N F410M F430M F444W F460M F466N F470N F480M "
    "F560W F770W F1000W F1130W F1280W F1500W F1800W F2100W F2550W F1065C F1140C F1550C F2300C",
    100, F150W2=1.67, F322W2=3.23, F140X=1.4,
)  # fmt: skip
_ROMAN: Final = _filters("F062 F087 F106 F129 F146 F158 F184 F213", 100)
_SPACE: Final = {"HST": _HUBBLE, "JWST": _WEBB, "Roman": _ROMAN}
_NUMBERED: Final = re.compile(r"F\d{3,4}[A-Z]*\d?")
_CAMERAS: Final = {
    "HST": ("HST", "ACS", "WFC3", "WFPC2", "WFPC", "NICMOS", "NIC1", "NIC2", "NIC3", "HUBBLE"),
    "JWST": ("JWST", "NIRCAM", "MIRI", "NIRISS", "NIRSPEC", "WEBB"),
    "Roman": ("ROMAN", "WFI"),
}
"""Words in TELESCOP and INSTRUME."""


def words(text: str) -> list[str]:
    """Split a name into words, in capitals.

    Examples
    --------
    >>> words("sci_g"), words("HSC-I2")
    (['SCI', 'G'], ['HSC', 'I2'])
    """
    return [word for word in re.split(r"[^A-Z0-9]+", text.upper()) if word]


def meanings(name: str, instrument: str = "") -> dict[str, float]:
    """Find what the name of a filter may mean.

    Parameters
    ----------
    name : str
        Name of the filter, in the way of any survey.
    instrument : str
        Telescope and instrument; F410M of JWST is another filter than that of HST.

    Returns
    -------
    dict of str to float
        Micrometres, good enough to sort, for each telescope that has such a filter; the telescope
        is "" where the name says it. Empty if the filter is not listed, or if several are named.

    Examples
    --------
    >>> meanings("F410M"), meanings("F410M", "JWST NIRCAM"), meanings("HSC-I2")
    ({'HST': 0.41, 'JWST': 4.1}, {'JWST': 4.1}, {'': 0.77})
    >>> meanings("CLEAR1L"), meanings("B-V")
    ({}, {})
    """
    said = words(instrument)
    if found := _MICRONS.search(name):
        return {"": float(found[1])}
    parts = words(name)
    for place, word in reversed(list(enumerate(parts))):
        if word in _GREEK and place and parts[place - 1] == "H":
            parts[place - 1 : place + 1] = [f"H{word}"]
    numbered = [_DIGITS.fullmatch(word) for word in parts]
    digit = next((match[1] for match in numbered if match), "")
    if digit and ("IRAC" in said or "IRAC" in parts):
        return {"": _NAMED[f"IRAC{digit}"]}
    if digit and ("WISE" in said or "WISE" in parts):
        return {"": _NAMED[f"W{digit}"]}
    found_ones = [one for one in (_meanings(word, said) for word in parts) if one]
    return found_ones[0] if all(one == found_ones[0] for one in found_ones) and found_ones else {}


def _meanings(word: str, said: Sequence[str]) -> dict[str, float]:
    if word in _NAMED:
        return {"": _NAMED[word]}
    if match := _LETTER.fullmatch(word):
        return {"": _LETTERS[match[1]]}
    if not _NUMBERED.fullmatch(word):
        return {}
    if "FOC" in said:  # of HST, in the ultraviolet
        return {"HST": int(re.findall(r"\d+", word)[0]) / 1000}
    telescopes = [one for one, cameras in _CAMERAS.items() if set(cameras) & set(said)]
    return {one: _SPACE[one][word] for one in telescopes or _SPACE if word in _SPACE[one]}


def wavelength(name: str, instrument: str = "") -> float | None:
    """Find the wavelength of a filter; `None` if it is not listed, or may be two.

    Examples
    --------
    >>> [wavelength(name) for name in ("HSC-I", "F814W", "F160W", "F356W", "g DECam SDSS c0001")]
    [0.77, 0.814, 1.6, 3.56, 0.48]
    >>> wavelength("F410M"), wavelength("F410M", "JWST"), wavelength("CLEAR1L")
    (None, 4.1, None)
    """
    return wavelengths([meanings(name, instrument)])[0]


def wavelengths(bands: Sequence[dict[str, float]]) -> list[float | None]:
    """Find the wavelengths of the bands of one image.

    A name of two telescopes is one of the only telescope that has all these filters.

    Parameters
    ----------
    bands : sequence of dict
        Of each band, from `meanings`.

    Returns
    -------
    list of float or None
        `None` if a band is not known, or may be two.

    Examples
    --------
    >>> wavelengths([meanings("F410M"), meanings("F444W")])
    [4.1, 4.44]
    >>> wavelengths([meanings("F410M"), meanings("F555W")])
    [0.41, 0.555]
    >>> wavelengths([meanings("F410M"), meanings("g")])
    [None, 0.48]
    """
    of_telescopes = [set(band) for band in bands if band and "" not in band]
    common = set.intersection(*of_telescopes) if of_telescopes else set()
    found: list[float | None] = []
    for band in bands:
        fits = {*common, ""} if len(common) == 1 else set(band)
        possible = {length for one, length in band.items() if one in fits}
        found.append(possible.pop() if len(possible) == 1 else None)
    return found


def split_names(text: str) -> list[str]:
    """Split the names of several filters: "grz" of the Legacy Surveys, or "F435W, F606W".

    Examples
    --------
    >>> split_names("grz"), split_names("VIS"), split_names("HSC-G, HSC-R"), split_names("g r")
    (['G', 'R', 'Z'], ['VIS'], ['HSC-G', 'HSC-R'], ['G', 'R'])
    """
    listed = [part.strip() for part in re.split(r"[,;|]", text)]
    if len(listed) > 1:
        return [part for part in listed if part]
    if meanings(text):
        return [text.strip()]
    parts = words(text)
    return list(parts[0]) if len(parts) == 1 and parts[0].isalpha() else parts
