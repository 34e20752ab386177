"""Files from the web: resumed where a connection broke, and checked."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tqdm import tqdm

from galaxies.errors import GalaxiesError, needs

with needs("download"):
    import pooch
    import requests
    import urllib3

_TIMEOUT: Final = 30  # seconds without an answer
_CHUNK: Final = 1 << 20
_TRIES: Final = 5
_WAIT: Final = 1.0  # seconds before the second try; twice as long before each further one


def fetch(url: str, folder: Path, *, md5: str | None, page: str) -> Path:
    """Download a file, or what is missing of it.

    Parameters
    ----------
    url : str
        Of the file; redirections are followed.
    folder : Path
        Where the file is put, under its name in the URL. One that is there is taken if it has the
        right checksum. What came before a connection broke is kept there for the next call.
    md5 : str, optional
        The checksum that was published, in hexadecimal, or None if there is none.
    page : str
        Where people find the file, if the URL fails.

    Raises
    ------
    GalaxiesError
        If the file cannot be had, or its checksum is wrong.
    """
    name = url.rpartition("/")[2]
    by_hand = f"look for {name} at {page}, put it into {folder}, and run this again"

    def download(url: str, target: str, _: object) -> None:
        arrived = folder / f"{name}.part"
        keep_trying(lambda: _download_rest(url, arrived, by_hand), arrived, url)
        arrived.replace(target)

    # Its announcements would come between the progress bars.
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        return Path(
            pooch.retrieve(
                url,
                known_hash=None if md5 is None else f"md5:{md5}",
                fname=name,
                path=folder,
                downloader=download,
            )
        )
    except ValueError as error:  # pooch's word for a wrong hash
        raise GalaxiesError(
            f"{url}: the file differs from the published one (MD5 {md5}) and was deleted; "
            f"run this again, or {by_hand}"
        ) from error


def keep_trying(download: Callable[[], None], arrived: Path, url: str) -> None:
    """Call a download that resumes, until it is through.

    Parameters
    ----------
    download : callable
        Raises an error of requests, urllib3 or the system's network where the connection breaks.
    arrived : Path
        The file that grows. As long as it does, the download goes on.
    url : str
        What an error names.

    Raises
    ------
    GalaxiesError
        After several tries in a row that brought nothing.
    """
    tries = 0
    while True:
        before = _size(arrived)
        try:
            download()
            return
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            tries = 1 if _size(arrived) > before else tries + 1
            if tries == _TRIES:
                raise GalaxiesError(
                    f"{url}: no stable connection ({type(error).__name__}); run this "
                    f"again later, it continues after the {_size(arrived):,} bytes received so far"
                ) from error
            time.sleep(_WAIT * 2 ** (tries - 1))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _download_rest(url: str, arrived: Path, by_hand: str) -> None:
    have = _size(arrived)
    # Unchanged bytes, whose number and order are those of the file.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        status = answer.status_code
        if status == 416:  # beyond the end: the file is here, or is no longer the same
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return
            arrived.unlink()
            raise requests.ConnectionError("what is here does not fit; once more")
        if status == 429 or status >= 500:
            raise requests.ConnectionError(f"HTTP {status}")
        if status >= 400:
            raise GalaxiesError(f"{url}: not available (HTTP {status}); {by_hand}")
        if status != 206:  # the whole file, whatever was asked for
            have = 0
        length = answer.headers.get("Content-Length")
        with (
            arrived.open("ab" if have else "wb") as file,
            tqdm(
                desc=arrived.stem,
                total=have + int(length) if length else None,
                initial=have,
                unit="B",
                unit_scale=True,
            ) as bar,
        ):
            for chunk in answer.raw.stream(_CHUNK, decode_content=False):
                file.write(chunk)
                bar.update(len(chunk))
