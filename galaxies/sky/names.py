"""Positions of named galaxies, from CDS Sesame."""

from collections.abc import Sequence
from typing import Final

from astropy.coordinates import name_resolve
from astropy.utils.data import conf

from galaxies.errors import GalaxiesError
from galaxies.sky.cache import Cache
from galaxies.sky.manners import Answer, Manners, RateLimit

SESAME: Final = ("https://cds.unistra.fr/cgi-bin/nph-sesame/",
                 "https://vizier.cfa.harvard.edu/viz-bin/nph-sesame/")  # fmt: skip
"""CDS's name resolver and its mirror; documentation at
https://vizier.cfa.harvard.edu/doc/sesame.htx. It asks SIMBAD, NED and VizieR."""

_RATE: Final = 5.0
"""Names a second; CDS blocks whoever asks more than eight."""


def resolve_names(
    names: Sequence[str],
    cache: Cache,
    manners: Manners,
    addresses: Sequence[str] = SESAME,
) -> list[tuple[float, float] | str]:
    """Look up the positions of galaxies, with `astropy.coordinates`.

    Parameters
    ----------
    names : sequence of str
        Such as `M 51` or `NGC 4594`.
    cache : Cache
        Keeps the answers.
    manners : Manners
        Timeout and contact address.
    addresses : sequence of str
        Sesame's address and its mirrors.

    Returns
    -------
    list
        For each name right ascension and declination in degrees, or why there are none.

    Raises
    ------
    GalaxiesError
        If Sesame does not answer.

    Examples
    --------
    Names that are in the cache are not asked for:

    >>> from pathlib import Path
    >>> from galaxies.sky.cache import Cache
    >>> from galaxies.sky.manners import Answer, Manners
    >>> cache = Cache(Path("sesame.sqlite"))
    >>> cache.put("sesame M 51", 0, 0, Answer(b"202.46957500 47.19525833", None, final=True))
    >>> resolve_names(["M 51"], cache, Manners())
    [(202.469575, 47.19525833)]
    >>> cache.close()
    """
    limit = RateLimit(min(_RATE, manners.rate))
    positions: list[tuple[float, float] | str] = []
    with (
        name_resolve.sesame_url.set(tuple(addresses)),
        conf.set_temp("remote_timeout", manners.timeout),
        conf.set_temp("default_http_user_agent", manners.agent),
    ):
        for name in names:
            key = f"sesame {name}"
            kept = cache.get(key)
            if kept is None or not kept.answer.final:
                limit.wait()
                cache.put(key, 0, 0, _look_up(name))
                kept = cache.get(key)
            assert kept is not None
            positions.append(_position(kept.answer))
    return positions


def _look_up(name: str) -> Answer:
    try:
        position = name_resolve.get_icrs_coordinates(name)
    except name_resolve.NameResolveError as error:
        if "queries failed" in str(error):
            lines = " ".join(str(error).split())
            raise GalaxiesError(
                f"{name}: {lines}; resolved names are kept; run the same command again later"
            ) from error
        # Not final: a page that says that Sesame is down has no position either.
        return Answer(None, f"Sesame knows no {name}", final=False)
    text = f"{position.ra.deg:.8f} {position.dec.deg:.8f}"
    return Answer(text.encode(), None, final=True)


def _position(answer: Answer) -> tuple[float, float] | str:
    if answer.data is None:
        return answer.reason or ""
    ra, dec = answer.data.decode().split()
    return float(ra), float(dec)
