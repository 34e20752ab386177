"""From what the user names to where the cut-outs come from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Final

from galaxies.errors import GalaxiesError
from galaxies.sky.cache import Cache, usual_cache
from galaxies.sky.cutouts import ServiceCutouts, Source
from galaxies.sky.manners import Manners
from galaxies.sky.names import SESAME, resolve_names
from galaxies.sky.positions import Columns, Positions, read_positions
from galaxies.sky.services import LOCAL, find_service

_USUAL: Final = Columns()
_POLITE: Final = Manners()


@dataclass(frozen=True)
class Wanted:
    r"""What is cut out, where, and how a service is asked.

    Parameters
    ----------
    positions : Path
        The table, or list of names.
    images : str
        `sdss`, `legacy`, `hips` or `local:FOLDER`; see `galaxies.sky.services.find_service`.
    columns : Columns
        Names of its columns.
    radius : float, optional
        Petrosian 90% radius in arcsec for galaxies that the table has none for.
    rate : float, optional
        Requests a second; by default the service's.
    manners : Manners
        The other limits.
    cache : Path, optional
        Folder of the cache; by default `galaxies.sky.cache.usual_cache`.
    sesame : tuple of str
        Addresses of the name resolver.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("one.csv").write_text("id,ra,dec\n7,184.9511,-0.8754\n")
    >>> source, positions = Wanted(Path("one.csv"), "legacy:ls-dr9", cache=Path("kept")).open()
    >>> source.name, source.layer, positions.ids, Path("kept/legacy.sqlite").is_file()
    ('legacy', 'ls-dr9', ['7'], True)
    """

    positions: Path
    images: str
    columns: Columns = _USUAL
    radius: float | None = None
    rate: float | None = None
    manners: Manners = _POLITE
    cache: Path | None = None
    sesame: tuple[str, ...] = SESAME

    def open(self) -> tuple[Source, Positions]:
        """Read the positions, and open the source.

        Raises
        ------
        GalaxiesError
            If the positions or the source cannot be used.
        """
        folder = self.cache or usual_cache()
        for option, number, what in (
            ("--radius", self.radius, "arcsec"), ("--rate", self.rate, "requests a second"),
        ):  # fmt: skip
            if number is not None and not 0 < number < inf:
                raise GalaxiesError(f"{option} {number:g}: must be more than 0 {what}")
        contact = self.manners.contact
        if contact and not re.fullmatch(r"[!-~]+(@|://)[!-~]+", contact):
            raise GalaxiesError(
                f"--contact {contact}: give an e-mail address or a web page, in ASCII"
            )
        if self.images.partition(":")[0] == LOCAL:
            from galaxies.sky.mosaics import Mosaics

            where = self.images.partition(":")[2]
            if not where:
                raise GalaxiesError("--images local: name the folder, local:FOLDER")
            return Mosaics(Path(where), self.radius), self._read(folder)
        service = find_service(self.images)
        rate = self.rate if self.rate is not None else service.rate
        manners = replace(self.manners, rate=rate)
        positions = self._read(folder)
        cache = Cache(folder / f"{service.name}.sqlite")
        return ServiceCutouts(service, cache, manners, self.radius), positions

    def _read(self, folder: Path) -> Positions:
        def resolve(names: Sequence[str]) -> list[tuple[float, float] | str]:
            cache = Cache(folder / "sesame.sqlite")
            try:
                return resolve_names(names, cache, self.manners, self.sesame)
            finally:
                cache.close()

        return read_positions(self.positions, self.columns, resolve)
