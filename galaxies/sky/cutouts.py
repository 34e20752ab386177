"""Cut-outs of many galaxies from a service: asked for once, checked, and read from the cache."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple, Protocol

import numpy as np
from PIL import Image
from tqdm import tqdm

from galaxies.base.pool import in_order
from galaxies.errors import GalaxiesError
from galaxies.sky.cache import Cache, Kept
from galaxies.sky.looking import look_at_cutout
from galaxies.sky.manners import Answer, Asker, Manners
from galaxies.sky.positions import Positions
from galaxies.sky.radius import frame_scale, measure_radius
from galaxies.sky.services import Service

MEASURED: Final = "measured"
GUESS: Final = "guess"

ANONYMOUS: Final = 100
"""Positions up to which a service is asked without a contact address."""

FIRST_RADIUS: Final = 8.0
"""Petrosian 90% radius in arcsec that the first frame, 68 arcsec wide, is made for if none is
known."""
_AHEAD: Final = 8  # positions for each thread that may be finished before an earlier one


class Cutout(NamedTuple):
    """A galaxy's picture, or why there is none, and how it was made."""

    image: bytes | Image.Image | None
    reason: str | None
    scale: float | None
    """Arcsec per pixel."""
    radius: float | None
    """Petrosian 90% radius that the frame was made for, in arcsec."""
    radius_from: str | None
    """A column, `measured` on a first cut-out, or a `guess`."""
    date: str | None
    """Day on which the service sent it, UTC."""


class Source(Protocol):
    """Where cut-outs come from: a service, or one's own mosaics."""

    name: str
    release: str
    layer: str

    def fetch(self, positions: Positions) -> None:
        """Get what is far away, all of it, before the first cut-out is made."""

    def cut(self, positions: Positions, place: int) -> Cutout:
        """Cut out one galaxy; several threads may call it."""


class ServiceCutouts:
    r"""Cut-outs from a service.

    Parameters
    ----------
    service : Service
        The service.
    cache : Cache
        Keeps what it sends.
    manners : Manners
        Limits on what it is asked.
    default_radius : float, optional
        Petrosian 90% radius in arcsec for galaxies without one; by default it is measured on a
        first cut-out.

    Examples
    --------
    An answer that is in the cache is not asked for again:

    >>> from pathlib import Path
    >>> from galaxies.sky.cache import Cache
    >>> from galaxies.sky.manners import Answer, Manners
    >>> from galaxies.sky.positions import read_positions
    >>> from galaxies.sky.services import Sdss
    >>> _ = Path("one.csv").write_text("id,ra,dec,petroR90_r\n7,184.9511,-0.8754,8\n")
    >>> positions = read_positions(Path("one.csv"))
    >>> service, cache = Sdss(), Cache(Path("sdss.sqlite"))
    >>> source = ServiceCutouts(service, cache, Manners())
    >>> plan_requests(source, positions).requests
    1
    >>> jpeg = next(Path("cutouts").iterdir()).read_bytes()
    >>> url = service.url(184.9511, -0.8754, scale=0.16)
    >>> cache.put(url, 184.9511, -0.8754, Answer(jpeg, None, final=True))
    >>> source.fetch(positions)
    >>> cutout = source.cut(positions, 0)
    >>> source.requests, cutout.image == jpeg, cutout.scale, cutout.radius_from
    (0, True, 0.16, 'petroR90_r')
    >>> cache.close()
    """

    def __init__(
        self,
        service: Service,
        cache: Cache,
        manners: Manners,
        default_radius: float | None = None,
    ) -> None:
        self.name, self.release, self.layer = service.name, service.release, service.layer
        self.service = service
        self.manners = manners
        self._cache = cache
        self._default = default_radius
        self._placeholders: frozenset[str] = frozenset()
        self._asker: Asker | None = None
        self.requests = 0

    def fetch(self, positions: Positions) -> None:
        """Ask for everything that is not in the cache.

        Raises
        ------
        GalaxiesError
            If the service refuses us or is down; what came is kept. Also if there are many
            positions, and the service is not told who asks.
        """
        if len(positions) > ANONYMOUS and not self.manners.contact:
            raise GalaxiesError(
                f"{positions.name}: {len(positions):,} positions; give --contact YOUR@ADDRESS (or "
                "set GALAXIES_CONTACT), so that the service can write to you before it blocks you"
            )
        self._asker = asker = Asker(self.manners, look_at_cutout)
        pool = ThreadPoolExecutor(self.manners.parallel)
        ahead = _AHEAD * self.manners.parallel
        work = partial(self._finish, positions)
        try:
            done = in_order(pool, work, range(len(positions)), ahead)
            for _ in tqdm(done, total=len(positions), desc="cut-outs", unit=" galaxies"):
                pass
        finally:
            asker.stop()
            pool.shutdown(cancel_futures=True)
            self.requests += asker.requests
            self._asker = None
            self._cache.commit()
            self._placeholders = self._cache.placeholders()

    def _finish(self, positions: Positions, place: int) -> None:
        # The image stays in the cache.
        self.cut(positions, place)

    def cut(self, positions: Positions, place: int) -> Cutout:
        """Return a cut-out, from the cache once `fetch` has run."""
        if positions.reasons[place] is not None:
            return Cutout(None, positions.reasons[place], None, None, None, None)
        ra, dec = float(positions.ra[place]), float(positions.dec[place])
        radius, where_from = float(positions.radius[place]), positions.radius_from
        if np.isnan(radius) and self._default is not None:
            radius, where_from = self._default, "given"
        if np.isnan(radius):
            first = self._ask(ra, dec, self._scale(FIRST_RADIUS))
            if first.answer.data is None:
                return self._cutout(first, FIRST_RADIUS, GUESS)
            measured = self._measure(first)
            if measured is None:
                return self._cutout(first, FIRST_RADIUS, GUESS)
            radius, where_from = measured, MEASURED
        if (reason := self._no_scale(radius)) is not None:
            return Cutout(None, reason, None, radius, where_from, None)
        return self._cutout(self._ask(ra, dec, self._scale(radius)), radius, where_from)

    def missing(self, positions: Positions, place: int) -> int:
        """Count the requests that a galaxy may still need."""
        ra, dec = float(positions.ra[place]), float(positions.dec[place])
        radius = float(positions.radius[place])
        if np.isnan(radius) and self._default is not None:
            radius = self._default
        if not np.isnan(radius):
            return 0 if self._no_scale(radius) or self._is_kept(ra, dec, radius) else 1
        first = self._cache.get(self.service.url(ra, dec, self._scale(FIRST_RADIUS)))
        if first is None or not first.answer.final:
            return 2
        if first.answer.data is None or first.radius == 0:
            return 0
        return 0 if first.radius and self._is_kept(ra, dec, first.radius) else 1

    def _is_kept(self, ra: float, dec: float, radius: float) -> bool:
        kept = self._cache.get(self.service.url(ra, dec, self._scale(radius)))
        return kept is not None and kept.answer.final

    def _no_scale(self, radius: float) -> str | None:
        """Say why the service cannot draw a galaxy of this size; `None` if it can."""
        smallest, largest = self.service.scales
        scale = self._scale(radius)
        if smallest <= scale <= largest:
            return None
        return (
            f"a radius of {radius:g} arcsec: {self.name} has no frame at {scale:g} arcsec a pixel, "
            f"only at {smallest:g} to {largest:g}"
        )

    def _scale(self, radius: float) -> float:
        """Compute the scale, in the digits that the service is asked with."""
        return float(f"{frame_scale(radius):.5g}")

    def _ask(self, ra: float, dec: float, scale: float) -> Kept:
        url = self.service.url(ra, dec, scale)
        kept = self._cache.get(url)
        if self._asker is not None and (kept is None or not kept.answer.final):
            self._cache.put(url, ra, dec, self._asker.ask(url))
            kept = self._cache.get(url)
        if kept is None:
            return Kept(url, Answer(None, "was not asked for", final=False), "", None, None)
        return kept

    def _measure(self, first: Kept) -> float | None:
        """Measure the radius of a galaxy on its first cut-out, once."""
        assert first.answer.data is not None
        if first.radius is None:
            pixels = measure_radius(Image.open(io.BytesIO(first.answer.data)))
            # In the digits that are kept: the second request must not depend on who computes it.
            radius = 0.0 if pixels is None else float(f"{pixels * self._scale(FIRST_RADIUS):.4g}")
            self._cache.put_radius(first.url, radius)
            return radius or None
        return first.radius or None

    def _cutout(self, kept: Kept, radius: float, where_from: str) -> Cutout:
        data, reason = kept.answer.data, kept.answer.reason
        if data is not None and kept.sha256 in self._placeholders:
            data, reason = None, "a placeholder: the same image came for other positions"
        return Cutout(data, reason, self._scale(radius), radius, where_from, kept.date or None)


class Plan(NamedTuple):
    """What a dry run says."""

    galaxies: int
    without_position: int
    kept: int
    """Galaxies that need no request, because their answers are in the cache."""
    requests: int
    """Upper limit, without repeated ones."""
    seconds: float
    """How long they take at the limit of the rate."""


def plan_requests(source: ServiceCutouts, positions: Positions) -> Plan:
    """Count the requests for a list of positions, without asking anything."""
    without, kept, requests = 0, 0, 0
    for place in range(len(positions)):
        if positions.reasons[place] is not None:
            without += 1
            continue
        missing = source.missing(positions, place)
        kept += missing == 0
        requests += missing
    return Plan(len(positions), without, kept, requests, requests / source.manners.rate)


def cut_all(source: Source, positions: Positions, workers: int) -> Iterator[Cutout]:
    """Cut out all galaxies, in order."""
    with ThreadPoolExecutor(workers) as pool:
        places = range(len(positions))
        yield from in_order(pool, partial(source.cut, positions), places, 4 * workers)
