"""A listener that behaves as a test tells it to, and checks what it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

import attrs
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError


@attrs.frozen
class Told:
    """A request that came."""

    message_id: str
    event: dict[str, Any]
    content_type: str
    # None: nobody has said the secret yet.
    is_genuine: bool | None


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.told_of(dict(self.headers), body)
        if self.server.stopping.is_set():
            # Whoever asked may be gone.
            self.close_connection = True
            return
        self.send_response_only(status)
        if status in (301, 302, 307, 308):
            self.send_header("Location", self.server.url + "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


class Listener(ThreadingHTTPServer):
    """Answers with the status that `answer` gives for an event's message."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.secret: str | None = None
        self.answer: Callable[[Told], int] = lambda _told: 200
        self.stopping = Event()
        self._lock = Lock()
        self._told: list[Told] = []
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def told(self) -> list[Told]:
        """Every request so far."""
        with self._lock:
            return list(self._told)

    def told_of(self, headers: dict[str, str], body: bytes) -> int:
        lower = {name.lower(): value for name, value in headers.items()}
        told = Told(
            message_id=lower["webhook-id"],
            event=json.loads(body),
            content_type=lower["content-type"],
            is_genuine=self._is_genuine(body, headers),
        )
        with self._lock:
            self._told.append(told)
        return self.answer(told)

    def _is_genuine(self, body: bytes, headers: dict[str, str]) -> bool | None:
        if self.secret is None:
            return None
        try:
            Verifier(self.secret).verify(body, headers)
        except WebhookVerificationError:
            return False
        return True

    def server_bind(self) -> None:
        # Without the look-up of our own name.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

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
