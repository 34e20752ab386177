"""Units of FITS images, in the spelling of any survey: which are fluxes, and how they compare."""

import re
from typing import Final, NamedTuple

_MAGNITUDE: Final = re.compile(r"(?<![i])mag(?!g)", re.IGNORECASE)  # not "image", nor "nanomaggies"
_LOGARITHM: Final = re.compile(r"(?<![a-z])(log|(ln|dex|db)(?![a-z]))", re.IGNORECASE)

_TOKEN: Final = re.compile(
    r"(?P<number>\d+\.?\d*([eE][-+]?\d+)?|\.\d+)|(?P<word>[A-Za-z_%]+)|(?P<sign>[-+^*/.()])|\s+"
)
_PIXEL: Final = frozenset(("pixel", "pix"))
_NOT_LIGHT: Final = frozenset(
    re.findall(
        r"[\w%]+",
        "s min minute h hr hour d day yr year ms us ns ks msec usec nsec ksec m cm mm um nm km "
        "angstrom micron pc kpc mpc deg degree arcmin arcsec arcsecond rad sr ma beam hz khz mhz "
        "ghz ev kev mev exposure exp frame integration spaxel fiber fibre bit bitmask flag sigma "
        "snr k kelvin kg g gram msun m_sun solma solmas % percent redshift",
    )
)
"""Times, lengths, areas, angles, frequencies and energies, by which fluxes are divided; and what is
measured of galaxies beside their light. As `_known` returns them, without the plural."""
_LIGHT: Final = frozenset(
    re.findall(
        r"\w+",
        "count electron adu dn du jy mjy maggy photon flux intensity radiance erg j joule w cp "
        "lsun l_sun sollum rayleigh flam fnu photlam photnu",
    )
)
_SAME: Final = {
    "ct": "count",
    "cts": "count",
    "cnt": "count",
    "e": "electron",
    "ph": "photon",
    "el": "electron",
    "elec": "electron",
    "photoelectron": "electron",
    "watt": "w",
    "sec": "s",
    "second": "s",
    "a": "angstrom",
    "aa": "angstrom",
    "ang": "angstrom",
}
_OTHER_WORDS: Final = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\b(data|digital)[ _](number|unit)s?\b", re.IGNORECASE), "dn"),
    (re.compile(r"\bper\b", re.IGNORECASE), "/"),
    (re.compile(r"^\s*\[(.*)\]\s*$"), r"\1"),
    (re.compile(r"(?<![a-z\d.])e-(?!\d)", re.IGNORECASE), "electron"),
)
_NO_UNIT: Final = frozenset(("", "none", "n/a", "unknown", "unitless", "dimensionless"))

_MAGGIES: Final = re.compile(r"([a-z]*?)(maggy|mgy)")
_NANO: Final = {
    "": 1e9, "milli": 1e6, "m": 1e6, "micro": 1e3, "u": 1e3, "nano": 1.0, "n": 1.0, "pico": 1e-3,
    "p": 1e-3, "mnano": 1e-3, "millinano": 1e-3, "unano": 1e-6, "micronano": 1e-6,
}  # fmt: skip
# MJY may be either of two.
_JANSKYS: Final = re.compile(
    r"([pnumkMG]?)[Jj]y|([PNU]?)JY|(?i:(pico|nano|micro|milli|mega)?jansky)"
)
_WATTS: Final = re.compile(r"([pnumk])W")
_PREFIXES: Final = {
    "": 1.0, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9,
    "pico": 1e-12, "nano": 1e-9, "micro": 1e-6, "milli": 1e-3, "mega": 1e6,
}  # fmt: skip
_NANOMAGGY: Final = 3.631e-6  # janskys, on the AB system

Words = tuple[tuple[str, float], ...]
_CALIBRATED: Final[Words] = (("maggy", 1.0),)
_AS_JANSKYS: Final[Words] = (("jy", 1.0),)


class FluxUnit(NamedTuple):
    """A unit of an image."""

    factor: float
    """Of its words; maggies count in nanomaggies, janskys in janskys."""
    words: Words
    """Words with their powers, in order of the alphabet; per pixel is left out."""
    wrong: str = ""
    """Why an image in this unit cannot be used."""
    light: bool = True
    """False if it is the unit of an error, a weight, a time or a mass."""


def read_unit(text: str) -> FluxUnit:
    """Read a unit; one that is not known to be of light cannot be used.

    Examples
    --------
    >>> read_unit("1e-3 nanomaggies/pixel")
    FluxUnit(factor=0.001, words=(('maggy', 1.0),), wrong='', light=True)
    >>> read_unit("mJy").factor, read_unit("ELECTRONS/S").words
    (0.001, (('electron', 1.0), ('s', -1.0)))
    >>> read_unit("mag(AB)").wrong, read_unit("nJy**2").light, read_unit("s").light
    ('is in mag(AB), where brighter is less; give fluxes', False, False)
    >>> read_unit("furlong").wrong
    'is in furlong, which is not known as the unit of a flux; give another, or none'
    """
    text = text.strip()
    if _MAGNITUDE.search(text):
        return FluxUnit(1.0, (), f"is in {text}, where brighter is less; give fluxes")
    if _LOGARITHM.search(text):
        return FluxUnit(1.0, (), f"is in {text}, a logarithm; give fluxes")
    if text.lower() in _NO_UNIT:
        return FluxUnit(1.0, ())
    try:
        factor, words = _Parser(text).all()
    except (ValueError, ArithmeticError, RecursionError):
        factor, words = 1.0, {text.lower(): 1.0}
    given = tuple(sorted((word, power) for word, power in words.items() if word not in _PIXEL))
    if not words.keys() <= _NOT_LIGHT | _LIGHT | _PIXEL:
        return FluxUnit(
            factor,
            given,
            f"is in {text}, which is not known as the unit of a flux; give another, or none",
        )
    if not _is_flux(words):
        return FluxUnit(
            factor, given, f"is in {text}, which is not the unit of a flux", light=False
        )
    if "maggy" in words and given != _CALIBRATED:
        return FluxUnit(factor, given, f"is in {text}; give nanomaggies for each pixel")
    return FluxUnit(factor, given)


def common_scale(units: list[FluxUnit]) -> tuple[list[float], bool] | None:
    """Find factors that bring bands to one unit, and whether that is the nanomaggy.

    Returns
    -------
    tuple of list of float and bool, or None
        `None` if the units cannot be compared.

    Examples
    --------
    >>> common_scale([read_unit("Jy"), read_unit("mJy")])
    ([1.0, 0.001], False)
    >>> common_scale([read_unit("nmgy")]), common_scale([read_unit("nmgy"), read_unit("adu")])
    (([1.0], True), None)
    """
    kinds = {unit.words for unit in units}
    factors = [unit.factor for unit in units]
    if kinds == {_CALIBRATED, _AS_JANSKYS}:
        return [
            unit.factor if unit.words == _CALIBRATED else unit.factor / _NANOMAGGY for unit in units
        ], True
    if len(kinds) > 1:
        return None
    if kinds == {_CALIBRATED}:
        return factors, True
    # Of other units only ratios matter.
    return [factor / max(factors) for factor in factors], False


def _is_flux(words: dict[str, float]) -> bool:
    """Whether light stands once in a unit, and above the line."""
    above = {word: power for word, power in words.items() if power > 0}
    if not words:
        return True
    return (
        any(word in _LIGHT for word in above)
        and all(power == 1 for word, power in above.items() if word in _LIGHT)
        and not any(word in _LIGHT for word in words.keys() - above.keys())
    )


class _Parser:
    """Products, quotients and powers of numbers and words, as `10**-17 erg/s/cm2`."""

    def __init__(self, text: str) -> None:
        for pattern, new in _OTHER_WORDS:
            text = pattern.sub(new, text)
        self._tokens: list[str] = []
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if not found:
                raise ValueError(text)
            place = found.end()
            if found.group().strip():
                self._tokens.append(found.group())
        self._tokens.append("")  # the end

    def all(self) -> tuple[float, dict[str, float]]:
        factor, words = self._product()
        if self._tokens != [""] or not factor > 0:
            raise ValueError
        return factor, {word: power for word, power in words.items() if power}

    def _product(self) -> tuple[float, dict[str, float]]:
        factor, words, sign = 1.0, dict[str, float](), 1
        while self._tokens[0] not in ("", ")"):
            if self._tokens[0] in ("*", ".", "/"):
                sign = -1 if self._tokens.pop(0) == "/" else 1
                continue
            number, more = self._factor()
            factor *= number**sign
            for word, power in more.items():
                words[word] = words.get(word, 0) + sign * power
            sign = 1
        return factor, words

    def _factor(self) -> tuple[float, dict[str, float]]:
        token = self._tokens.pop(0)
        factor, words = 1.0, dict[str, float]()
        if token == "(":
            factor, words = self._product()
            if self._tokens.pop(0) != ")":
                raise ValueError
        elif token[0].isalpha() or token[0] in "_%":
            factor, word = _known(token)
            words = {word: 1.0}
        else:
            factor = float(token)
        after = self._tokens[0]
        if after == "^":
            self._tokens.pop(0)
            power = self._power()
        elif words and token != "(" and (after in ("-", "+") or after[:1].isdigit()):
            power = self._power()  # such as s-1 and cm2
        else:
            return factor, words
        return factor**power, {word: old * power for word, old in words.items()}

    def _power(self) -> float:
        bracket = self._tokens[0] == "("
        if bracket:
            self._tokens.pop(0)
        sign = 1
        while self._tokens[0] in ("-", "+"):
            sign = -sign if self._tokens.pop(0) == "-" else sign
        power = sign * float(self._tokens.pop(0))
        if bracket and self._tokens[0] == "/":
            self._tokens.pop(0)
            power /= float(self._tokens.pop(0))
        if bracket and self._tokens.pop(0) != ")":
            raise ValueError
        return power


def _known(word: str) -> tuple[float, str]:
    """Find the name of a unit without its plural and prefix, and the factor of the prefix."""
    singular = word[:-1] if len(word) > 2 and word[-1] in "sS" else word
    name = singular.lower().replace("maggie", "maggy")
    if (found := _MAGGIES.fullmatch(name)) and found[1] in _NANO:
        return _NANO[found[1]], "maggy"
    if found := _JANSKYS.fullmatch(singular):
        return _PREFIXES[found[1] or (found[2] or found[3] or "").lower()], "jy"
    if found := _WATTS.fullmatch(word):
        return _PREFIXES[found[1]], "w"
    return 1.0, _SAME.get(name, name)
