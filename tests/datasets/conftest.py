"""A real HTTP server on the loopback address, which can serve as badly as real ones do."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Page:
    """What the server has at one address, and how badly it serves it."""

    body: bytes
    status: int = 200
    cut: list[int] = field(default_factory=list)
    """For the first requests: close the connection after so many bytes."""
    ranges: bool = True
    stall: float = 0
    """Seconds of silence before the body."""
    drip: float = 0
    """Seconds between single bytes."""


class Server:
    """Serves pages, and keeps account of what it was asked for: (path, Range header)."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Range")))
                outer.answer(self, outer.pages.get(self.path) or Page(b"nothing here", 404))

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def serve(self, path: str, body: bytes, **faults: object) -> str:
        """Put a page at a path; ``faults`` are the fields of ``Page``. Returns its address."""
        self.pages[path] = Page(body, **faults)  # type: ignore[arg-type]
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    @staticmethod
    def answer(request: BaseHTTPRequestHandler, page: Page) -> None:
        start, wanted = 0, request.headers.get("Range")
        if wanted and page.ranges and page.status == 200:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(page.body):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(page.body)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
        request.send_response(206 if start else page.status)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
        request.send_header("Content-Length", str(len(page.body) - start))
        request.end_headers()
        time.sleep(page.stall)
        end = start + page.cut.pop(0) if page.cut else len(page.body)
        try:
            if page.drip:
                for byte in page.body[start:end]:
                    request.wfile.write(bytes([byte]))
                    time.sleep(page.drip)
            else:
                request.wfile.write(page.body[start:end])
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client gave up, as it should


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()
