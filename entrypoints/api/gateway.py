"""Between HTTP and the WSGI application.

What places an order is called in the event loop, in turns: while it waits for its commit it is a
greenlet, so thousands may wait. So is the health check. Everything else is called in threads.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication, WSGIEnvironment

import structlog
from werkzeug.exceptions import HTTPException

from . import metrics
from .combiner import Overloaded
from .concurrency import Turns
from .http import Connection, Connections
from .messages import Answer, Request
from .problems import INTERNAL_ERROR, from_domain, from_http
from .routing import PREFIX
from .services import Limits

log = structlog.get_logger()

PLACE_ORDER = ("POST", f"{PREFIX}/order".encode())
HEALTH = frozenset({("GET", b"/healthz"), ("HEAD", b"/healthz")})
_SERVER = re.compile(rb"^[^/?]*://[^/?]*")


class Gateway:
    """What one process serves."""

    def __init__(
        self,
        application: WSGIApplication,
        limits: Limits,
        turns: Turns,
        threads: int,
        close: Callable[[], None],
    ) -> None:
        """`turns` are those of the application; `close` is called when nothing is in hand."""
        self.connections = Connections(
            self.handle, max_body_bytes=limits.max_body_bytes, patience=limits.patience
        )
        self._application = application
        self._turns = turns
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="api")
        self._close = close
        # How many more requests may be in hand, in the loop and in threads.
        self._free = {True: limits.max_waiting, False: limits.max_waiting}
        self._overloaded = _answer_to(Overloaded("too many requests wait already"))

    def handle(self, request: Request, connection: Connection) -> None:
        """Answer a request, now or later."""
        path, _query = path_and_query(request.target)
        what = (request.method, path)
        in_loop = what == PLACE_ORDER
        if request.refusal is not None:
            self._refuse(request, connection, _answer_to(request.refusal))
        elif what in HEALTH:
            # However much is to be done: we are alive.
            self._turns.start(lambda: connection.answer(self._answer(request, connection)))
        elif not self._free[in_loop]:
            self._refuse(request, connection, self._overloaded)
        elif in_loop:
            self._in_loop(request, connection)
        else:
            self._in_thread(request, connection)

    async def close(self) -> None:
        """Answer what has been sent, then close everything."""
        await self.connections.close()
        await self._turns.finished()
        self._pool.shutdown()
        self._close()

    def _refuse(self, request: Request, connection: Connection, answer: Answer) -> None:
        metrics.observe_refusal(request.method, answer.status)
        connection.answer(answer)

    def _in_loop(self, request: Request, connection: Connection) -> None:
        def call() -> None:
            answer = self._answer(request, connection)
            self._free[True] += 1
            connection.answer(answer)

        self._turns.start(call)
        self._free[True] -= 1

    def _in_thread(self, request: Request, connection: Connection) -> None:
        def settle(done: asyncio.Future[Answer]) -> None:
            self._free[False] += 1
            connection.answer(done.result())

        loop = asyncio.get_running_loop()
        answering = loop.run_in_executor(self._pool, self._answer, request, connection)
        answering.add_done_callback(settle)
        self._free[False] -= 1

    def _answer(self, request: Request, connection: Connection) -> Answer:
        try:
            return self._call(environ_of(request, connection))
        except Exception:
            log.exception("api.crashed", method=request.method, target=request.target)
            return _from(INTERNAL_ERROR.response("an unexpected error; the log has more"))

    def _call(self, environ: WSGIEnvironment) -> Answer:
        started: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: object = None
        ) -> Any:
            started.append((int(status[:3]), headers))

        parts = self._application(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        return Answer(*started[-1], body)


def environ_of(request: Request, connection: Connection) -> WSGIEnvironment:
    """The request in WSGI's words (PEP 3333)."""
    path, query = path_and_query(request.target)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": connection.server[0],
        "SERVER_PORT": str(connection.server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": connection.client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, raw in request.headers:
        # White space around a value is no part of it (RFC 9110, 5.5).
        key, value = _key(name), raw.strip(b" \t").decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    # What has an underscore in its name, and would pass for another.
    environ.pop("", None)
    # The body was read whole, however it came.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ


def path_and_query(target: bytes) -> tuple[bytes, bytes]:
    """The path as the application finds by it what is meant, and the query as it was sent."""
    # As to a proxy, it begins with the server.
    path, _, query = _SERVER.sub(b"", target).partition(b"?")
    return b"/" + unquote_to_bytes(path).lstrip(b"/"), query


@lru_cache(maxsize=128)
def _key(header: bytes) -> str:
    if b"_" in header:
        return ""
    key = header.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _answer_to(error: HTTPException | Overloaded) -> Answer:
    """What the application would say to it."""
    response = from_domain(error) if isinstance(error, Overloaded) else from_http(error)
    return _from(response.get_response() if isinstance(response, HTTPException) else response)


def _from(response: Any) -> Answer:
    return Answer(response.status_code, list(response.headers), response.get_data())
