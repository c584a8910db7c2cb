"""A vendor's server that behaves as a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

import attrs


@attrs.frozen
class Answer:
    """A plain answer; its length is stated unless `headers` say otherwise."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)

    def __call__(self, exchange: Exchange) -> None:
        exchange.send_response_only(self.status)
        usual = {"Date": exchange.date_time_string(), "Content-Length": str(len(self.body))}
        for name, value in {**usual, **self.headers}.items():
            exchange.send_header(name, value)
        exchange.end_headers()
        exchange.wfile.write(self.body)


class Exchange(BaseHTTPRequestHandler):
    """One request; a behaviour that waits should wait for `stopping`, the end of the test."""

    server: FeedServer
    timeout = 10

    @property
    def stopping(self) -> Event:
        return self.server.stopping

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.note(self.path, dict(self.headers))
        try:
            self.server.behaviour(self.path)(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


Behaviour = Callable[[Exchange], None]


class FeedServer(ThreadingHTTPServer):
    """Serves each path as it is told to, in turn when it is told several behaviours; else 404."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self) -> None:
        self.stopping = Event()
        self.requests: list[tuple[str, dict[str, str]]] = []
        # Of what was posted.
        self.bodies: list[bytes] = []
        self._lock = Lock()
        self._behaviours: dict[str, list[Behaviour]] = {}
        super().__init__(("127.0.0.1", 0), Exchange)
        self._thread = Thread(target=self.serve_forever, args=(0.02,))

    def server_bind(self) -> None:
        TCPServer.server_bind(self)

    def url(self, path: str = "/stock") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def serve(self, path: str, *behaviours: Behaviour) -> None:
        """From now on; the last one stays."""
        with self._lock:
            self._behaviours[path] = list(behaviours)

    def behaviour(self, path: str) -> Behaviour:
        with self._lock:
            waiting = self._behaviours.get(path, [Answer(b"nothing here", 404)])
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def note(self, path: str, headers: dict[str, str]) -> None:
        with self._lock:
            self.requests.append((path, headers))

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
