"""Serves the WSGI application on granian's own interface, RSGI.

One thread, an event loop, reads every request and answers all those that never block. What places
an order is among them: while it waits for its commit it is a greenlet, not a thread, so thousands
may wait, and a client that is slow to send takes nothing away from the others. Everything else is
answered by threads.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

import attrs
import structlog
from granian.rsgi import (  # type: ignore[attr-defined]
    HTTPProtocol,
    ProtocolClosed,
    Scope,
)
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    LengthRequired,
    RequestEntityTooLarge,
    RequestTimeout,
)

from . import metrics
from .combiner import Overloaded
from .problems import from_domain, from_http
from .routing import PREFIX
from .services import Limits
from .waits import as_greenlet

log = structlog.get_logger()

NEVER_BLOCKING = frozenset({("POST", f"{PREFIX}/order"), ("GET", "/healthz")})
# Of a body that is too large, so much is read all the same: a client that is still sending would
# not see the answer.
DRAINED = 16 * 1024 * 1024
# What no header may contain, in place of what the server could not read as text.
UNREADABLE = "\x80"

Headers = list[tuple[str, str]]


@attrs.frozen
class Answer:
    """What is sent back."""

    status: int
    headers: Headers
    body: bytes

    @classmethod
    def to(cls, error: HTTPException | Overloaded) -> Answer:
        """What the application would say to it, made once and for all."""
        response = from_domain(error) if isinstance(error, Overloaded) else from_http(error)
        sent = response.get_response() if isinstance(response, HTTPException) else response
        return cls(sent.status_code, list(sent.headers), sent.get_data())


class Refused(Exception):
    """A request that does not get as far as the application."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Gateway:
    """An RSGI application. Belongs to one process and its event loop."""

    def __init__(
        self, application: WSGIApplication, limits: Limits, threads: int, close: Callable[[], None]
    ) -> None:
        self._application = application
        self._limits = limits
        self._close = close
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="api")
        # How many more requests may be in hand, of those that never block and of the others.
        self._free = {True: limits.max_waiting, False: limits.max_waiting}
        self._overloaded = Answer.to(Overloaded("too many requests wait already"))
        self._too_large = Answer.to(
            RequestEntityTooLarge(f"the body must have at most {limits.max_body_bytes} bytes")
        )
        self._undeclared = Answer.to(LengthRequired("the body needs a Content-Length"))
        self._slow = Answer.to(RequestTimeout("the body did not come in time"))
        self._broken = Answer.to(ClientDisconnected("the body is shorter than its Content-Length"))

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """Nothing is in hand any more."""
        self._pool.shutdown()
        self._close()

    async def __call__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        on_loop = (scope.method, scope.path) in NEVER_BLOCKING
        if not self._free[on_loop]:
            metrics.observe_refusal(scope.method, self._overloaded.status)
            self._send(protocol, self._overloaded)
            return
        self._free[on_loop] -= 1
        try:
            answer = await self._answer(scope, protocol, on_loop)
        except Refused as refusal:
            answer = refusal.answer
            metrics.observe_refusal(scope.method, answer.status)
        finally:
            self._free[on_loop] += 1
        self._send(protocol, answer)

    async def _answer(self, scope: Scope, protocol: HTTPProtocol, on_loop: bool) -> Answer:
        body = await self._body(scope, protocol)
        environ = environ_of(scope, body)
        if on_loop:
            return await as_greenlet(self._call, environ)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._call, environ)

    async def _body(self, scope: Scope, protocol: HTTPProtocol) -> bytes:
        """The whole body; raises Refused for one that is too large, too slow or broken off."""
        declared = scope.headers.get("content-length")
        if declared is None:
            # In chunks, its end could not be told from a connection that broke in the middle.
            if "transfer-encoding" in scope.headers:
                raise Refused(self._undeclared)
            return b""
        try:
            async with asyncio.timeout(self._limits.patience):
                # The server has checked that it is a number.
                if int(declared) <= self._limits.max_body_bytes:
                    return await protocol()
                if int(declared) <= DRAINED:
                    async for _part in protocol:
                        pass
        except TimeoutError:
            raise Refused(self._slow) from None
        except ProtocolClosed:
            raise Refused(self._broken) from None
        raise Refused(self._too_large)

    def _call(self, environ: WSGIEnvironment) -> Answer:
        started: list[tuple[int, Headers]] = []

        def start_response(status: str, headers: Headers, _exc_info: object = None) -> Any:
            started.append((int(status[:3]), headers))

        parts = self._application(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            _close(parts)
        return Answer(*started[-1], body)

    def _send(self, protocol: HTTPProtocol, answer: Answer) -> None:
        try:
            protocol.response_bytes(answer.status, answer.headers, answer.body)
        except ProtocolClosed:
            log.debug("api.client_gone", status=answer.status)


def environ_of(scope: Scope, body: bytes) -> WSGIEnvironment:
    """The request in WSGI's words (PEP 3333)."""
    name, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for header, value in scope.headers.items():
        key = _key(header)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    for header in scope.headers.keys():  # noqa: SIM118 - it is no mapping
        environ.setdefault(_key(header), UNREADABLE)
    # What has an underscore in its name, and would pass for another.
    environ.pop("", None)
    return environ


def _key(header: str) -> str:
    if "_" in header:
        return ""
    key = header.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _close(parts: Iterable[bytes]) -> None:
    close = getattr(parts, "close", None)
    if close is not None:
        close()
