"""Stand-ins for the sky: a drawn galaxy, and a service that cuts out images on this machine.

The service answers as the real ones do, and with their faults. For tests and benchmarks.
"""

import gzip
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import numpy as np
from PIL import Image, ImageDraw

SIZE = 424
SAYS_OUTSIDE = "Requested (ra, dec) is outside the SDSS footprint."


def draw_galaxy(random: np.random.Generator, spiral: bool, side: int = 96) -> np.ndarray:
    """A round red glow, or a flat blue one with two arms; uint8 (side, side, 3)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    angle = random.uniform(0, np.pi)
    x, y = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(x, y / random.uniform(0.5, 0.9)) / side
    light = np.exp(-radius * 18)
    if spiral:
        light = light + 0.6 * np.exp(-radius * 9) * np.cos(np.arctan2(y, x) - radius * 25) ** 8
    colour = (0.6, 0.7, 1.0) if spiral else (1.0, 0.8, 0.6)
    frame = 220 * light[:, :, None] * colour + random.normal(12, 5, (side, side, 3))
    pixels: np.ndarray = frame.clip(0, 255).astype(np.uint8)
    return pixels


def encode(pixels: np.ndarray, **options: Any) -> bytes:  # noqa: ANN401, what Pillow takes
    """A JPEG's bytes."""
    file = io.BytesIO()
    saving: dict[str, Any] = {"format": "JPEG", "quality": 90} | options
    Image.fromarray(pixels).save(file, **saving)
    return file.getvalue()


@cache
def galaxy(number: int, size: int = SIZE) -> bytes:
    """A galaxy's JPEG, one of eight."""
    return encode(draw_galaxy(np.random.default_rng(number), bool(number % 2), side=size))


def signed(jpeg: bytes, text: str) -> bytes:
    """A JPEG with a comment, so that no two positions have the same file."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


@cache
def outside_image() -> bytes:
    """What SkyServer draws outside its footprint: words on black."""
    frame = Image.new("RGB", (SIZE, SIZE), "black")
    ImageDraw.Draw(frame).text((10, 200), SAYS_OUTSIDE, fill="white")
    return encode(np.asarray(frame))


@cache
def placeholder() -> bytes:
    """A picture that is no galaxy, with as many colours as one."""
    noise = np.random.default_rng(99).normal(90, 40, (SIZE, SIZE, 3))
    return encode(noise.clip(0, 255).astype(np.uint8))


class Handler(BaseHTTPRequestHandler):
    """Answers one request: `server.fault` names what goes wrong with it."""

    protocol_version = "HTTP/1.1"
    # Otherwise the kernel waits 40 ms for more to send.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "Service"

    def do_GET(self) -> None:
        query = {key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()}
        where = f"{query.get('ra')} {query.get('dec')}"
        with self.server.lock:
            self.server.asked[self.path] += 1
            turn = self.server.asked[self.path]
            self.server.times.append(time.monotonic())
            self.server.agents.add(self.headers["User-Agent"])
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        try:
            time.sleep(self.server.latency)
            fault = self.server.fault(float(query.get("ra", "nan")), turn)
            image = signed(galaxy(crc32(where.encode()) % 8), self.path)
            getattr(self, f"send_{fault or 'galaxy'}")(image, turn)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.server.lock:
                self.server.now -= 1

    def answer(self, status: int, data: bytes, kind: str = "image/jpeg", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def send_galaxy(self, image: bytes, turn: int) -> None:
        self.answer(200, image)

    def send_html(self, image: bytes, turn: int) -> None:
        page = b"<!DOCTYPE html>\n<html><title>Error</title>Down for maintenance</html>"
        self.answer(200, page, "text/html")

    def send_empty(self, image: bytes, turn: int) -> None:
        self.answer(200, b"")

    def send_missing(self, image: bytes, turn: int) -> None:
        said = {"Error Code": 404, "Error Type": "NotFound", "Error Message": SAYS_OUTSIDE}
        self.answer(404, json.dumps(said).encode(), "application/json")

    def send_busy(self, image: bytes, turn: int) -> None:
        self.answer(429, b"slow down", "text/plain", Retry_After=self.server.retry_after)

    def send_unavailable(self, image: bytes, turn: int) -> None:
        self.answer(503, b"back soon", "text/plain")

    def send_broken(self, image: bytes, turn: int) -> None:
        self.answer(500, b"oops", "text/plain")

    def send_forbidden(self, image: bytes, turn: int) -> None:
        self.answer(403, b"you are blocked", "text/plain")

    def send_bad(self, image: bytes, turn: int) -> None:
        self.answer(400, b"scale must be positive", "text/plain")

    def send_moved(self, image: bytes, turn: int) -> None:
        self.answer(302, b"", Location="/sorry.html")

    def send_loop(self, image: bytes, turn: int) -> None:
        self.answer(302, b"", Location=self.path)

    def send_elsewhere(self, image: bytes, turn: int) -> None:
        self.answer(301, b"", Location=f"{self.server.elsewhere}?{urlsplit(self.path).query}")

    def send_gzip(self, image: bytes, turn: int) -> None:
        self.answer(200, gzip.compress(image), Content_Encoding="gzip")

    def send_stalled(self, image: bytes, turn: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(image)))
        self.end_headers()
        self.wfile.write(image[:1000])
        self.wfile.flush()
        self.server.released.wait(20)
        self.close_connection = True

    def send_dripping(self, image: bytes, turn: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(image)))
        self.end_headers()
        for place in range(len(image)):
            self.wfile.write(image[place : place + 1])
            self.wfile.flush()
            if self.server.released.wait(0.05):
                break
        self.close_connection = True

    def send_truncated(self, image: bytes, turn: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(image)))
        self.end_headers()
        self.wfile.write(image[: len(image) // 2])
        self.close_connection = True

    def send_cut(self, image: bytes, turn: int) -> None:
        """Cut off where it was stored: the length fits."""
        self.answer(200, image[: len(image) // 2])

    def send_small(self, image: bytes, turn: int) -> None:
        self.answer(200, signed(galaxy(1, 200), self.path))

    def send_blank(self, image: bytes, turn: int) -> None:
        file = io.BytesIO()
        Image.new("RGB", (SIZE, SIZE), (32, 32, 32)).save(file, "JPEG")
        self.answer(200, signed(file.getvalue(), self.path))

    def send_outside(self, image: bytes, turn: int) -> None:
        self.answer(200, outside_image())

    def send_placeholder(self, image: bytes, turn: int) -> None:
        self.answer(200, placeholder())

    def send_fits(self, image: bytes, turn: int) -> None:
        self.answer(200, b"SIMPLE  =                    T".ljust(2880))

    def log_message(self, *args: object) -> None:
        pass


Fault = Callable[[float, int], str | None]


class Service(ThreadingHTTPServer):
    """Serves cut-outs, and remembers what it was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fault: Fault = lambda ra, turn: None, latency: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        for number in range(8):
            galaxy(number)  # drawn before anybody waits for it
        self.fault = fault
        self.latency = latency
        self.retry_after = "1"
        self.elsewhere = ""
        self.asked: Counter[str] = Counter()
        self.times: list[float] = []
        self.agents: set[str] = set()
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of the server."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/getjpeg"


@contextmanager
def serving(fault: Fault = lambda ra, turn: None, latency: float = 0.0) -> Iterator[Service]:
    """Serve cut-outs while the block runs."""
    with Service(fault, latency) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield service
        finally:
            service.released.set()
            service.shutdown()
            thread.join()
