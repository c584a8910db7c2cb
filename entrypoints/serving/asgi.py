"""Between an ASGI server and the Flask application.

What places an order is called in the event loop, in turns: while it waits for its commit it is a
greenlet, so thousands may wait. So is the health check. Everything else is called in threads.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

import attrs
from flask import Flask
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, RequestTimeout

from ...adapters.system.log import Log
from ...domain.errors import OrderAggregatorError
from ..api import metrics
from ..api.access import AUTHORIZATION, PRINCIPAL
from ..api.browsers import HEADERS
from ..api.events import ENVIRON_KEY
from ..api.order_batcher import Overloaded
from ..api.problems import INTERNAL_ERROR, UNEXPECTED, from_domain, from_http
from ..api.request_ids import request_id
from ..api.routing import PREFIX
from ..api.scheduling import GreenletScheduler
from ..api.services import EXTENSION, app_state, limits_of
from .admission import Admission, NotAdmittedError
from .event_hub import EventHub, LaggingError
from .http_protocol import STREAM

log = Log()

# As asgi.readthedocs.io has them.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PLACE_ORDER = frozenset({("POST", f"{PREFIX}/order"), ("POST", f"{PREFIX}/hold")})
# Of a body that is too large, so much is taken in all the same.
MAX_DRAINED_BYTES = 16 * 1024 * 1024
PROTECTED = [(name.lower().encode(), value.encode()) for name, value in HEADERS]
# Seconds after which a stream goes on only if its listener's credentials are still good. A quiet
# stream says that it is there every 15: so long it may take.
RECHECK_AFTER = 5.0
HEALTH = frozenset({("GET", "/healthz"), ("HEAD", "/healthz")})


@attrs.frozen
class Response:
    """Status, headers with names in lower case, and the whole body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class AsgiApplication:
    """The API under an ASGI server, which must speak its lifespan protocol."""

    def __init__(
        self, build: Callable[[GreenletScheduler], AbstractContextManager[Flask]], *, threads: int
    ) -> None:
        """`build` makes the application when the server starts; on leaving, it is closed."""
        self._build = build
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the lifespan, or a request."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            raise NotImplementedError(f"{scope['type']} is not spoken here")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        with ExitStack() as end:
            self._scheduler = GreenletScheduler()
            self._app = end.enter_context(self._build(self._scheduler))
            self._limits = limits_of(self._app)
            self._events = events_of(self._app)
            if self._events is not None:
                end.callback(self._events.close)
            self._orders = Admission(self._limits.max_waiting)
            self._others = Admission(self._limits.max_waiting)
            overloaded = Overloaded("too many requests wait already")
            # Each asks its client to come back after another time.
            self._refusals = [_response_to(overloaded) for _ in range(64)]
            self._pool = end.enter_context(
                ThreadPoolExecutor(self._threads, thread_name_prefix="api")
            )
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self._scheduler.finished()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        what = (scope["method"], path)
        try:
            if what in HEALTH:
                # However much is to be done: we are alive.
                response = await self._call_in_loop(build_environ(scope, path, b""))
            elif what in PLACE_ORDER:
                environ = await self._admitted(self._orders, scope, path, receive)
                response = await self._place_order(environ)
            else:
                environ = await self._admitted(self._others, scope, path, receive)
                with self._others.one_more():
                    response = await self._call_in_thread(environ)
                subscription = environ.get(ENVIRON_KEY)
                if subscription is not None and self._events is not None:
                    scope[STREAM] = True
                    lines = self._while_valid(self._events.stream(subscription), environ)
                    await self._stream(response, lines, receive, send)
                    return
        except NotAdmittedError:
            await self._refuse(scope, send, random.choice(self._refusals))  # noqa: S311
        except RequestEntityTooLarge as refusal:
            await self._refuse(scope, send, _response_to(refusal), receive)
        except HTTPException as refusal:
            await self._refuse(scope, send, _response_to(refusal))
        except ClientGoneError:
            pass
        else:
            await _send(response, send)

    async def _admitted(
        self, admission: Admission, scope: Scope, path: str, receive: Receive
    ) -> WSGIEnvironment:
        """The request, whole, if there is room for it when it comes and when its body is there.

        Only from then on it takes up room: a client that stalls does not. NotAdmittedError.
        """
        admission.require_room()
        environ = build_environ(scope, path, await self._body_of(scope, receive))
        admission.require_room()
        return environ

    async def _stream(
        self, response: Response, lines: AsyncIterator[bytes], receive: Receive, send: Send
    ) -> None:
        """Go on with a response until its client has gone, or does not read on."""
        headers = [pair for pair in response.headers if pair[0] != b"content-length"]
        await _send(Response(response.status, headers, response.body), send, more_body=True)
        gone = asyncio.ensure_future(_disconnected(receive))
        telling = asyncio.ensure_future(self._tell(lines, send))
        try:
            await asyncio.wait([gone, telling], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, telling):
                task.cancel()
            await asyncio.gather(gone, telling, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await send({"type": "http.response.body"})

    async def _while_valid(
        self, lines: AsyncIterator[bytes], environ: WSGIEnvironment
    ) -> AsyncIterator[bytes]:
        """What is told, until the caller's credentials are good no longer."""
        gate = app_state(self._app).services.gate
        checked_at = time.monotonic()
        async for line in lines:
            if time.monotonic() - checked_at > RECHECK_AFTER:
                await asyncio.get_running_loop().run_in_executor(
                    self._pool,
                    gate.require_valid,
                    environ[PRINCIPAL],
                    environ.get(AUTHORIZATION),
                )
                checked_at = time.monotonic()
            yield line

    async def _tell(self, lines: AsyncIterator[bytes], send: Send) -> None:
        try:
            async for line in lines:
                async with asyncio.timeout(self._limits.timeout):
                    await send({"type": "http.response.body", "body": line, "more_body": True})
        except (LaggingError, TimeoutError, OrderAggregatorError) as error:
            log.warning("events.stream_ended", reason=type(error).__name__)

    async def _place_order(self, environ: WSGIEnvironment) -> Response:
        with self._orders.one_more():
            began = time.monotonic()
            response = await self._call_in_loop(environ)
            now = time.monotonic()
            self._orders.observe(now - began, now)
            return response

    async def _refuse(
        self, scope: Scope, send: Send, response: Response, rest: Receive | None = None
    ) -> None:
        """Refuse, and then take in the `rest` of the body.

        A client that is still sending when the connection is closed may not see the response.
        """
        metrics.observe_refusal(scope["method"], response.status)
        identified = [*response.headers, *PROTECTED, (b"x-request-id", _request_id_of(scope))]
        response = Response(response.status, identified, response.body)
        await _send(response, send, more_body=rest is not None)
        if rest is not None:
            with suppress(HTTPException, ClientGoneError, TimeoutError):
                async with asyncio.timeout(self._limits.timeout):
                    await _received(rest, MAX_DRAINED_BYTES)
            await send({"type": "http.response.body"})

    async def _body_of(self, scope: Scope, receive: Receive) -> bytes:
        """The body, whole. Raises HTTPException for one too large or too slow."""
        limit = self._limits.max_body_bytes
        if _declared_length(scope) > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(self._limits.timeout):
                return await _received(receive, limit)
        except TimeoutError:
            raise RequestTimeout("the request did not come in time") from None

    async def _call_in_loop(self, environ: WSGIEnvironment) -> Response:
        responded: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def call() -> None:
            response = self._respond(environ)
            if not responded.done():
                responded.set_result(response)

        self._scheduler.start(call)
        return await responded

    async def _call_in_thread(self, environ: WSGIEnvironment) -> Response:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._respond, environ)

    def _respond(self, environ: WSGIEnvironment) -> Response:
        try:
            return self._call(environ)
        except Exception:
            log.exception("api.crashed", method=environ["REQUEST_METHOD"])
            return _from_flask(INTERNAL_ERROR.response(UNEXPECTED))

    def _call(self, environ: WSGIEnvironment) -> Response:
        started: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: object = None
        ) -> Any:
            started.append((int(status[:3]), headers))

        parts = self._app(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        status, headers = started[-1]
        return _response(status, headers, body)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def events_of(app: Flask) -> EventHub | None:
    """What happens, told to the listeners of this process; None for an application not ours."""
    state = app.extensions.get(EXTENSION)
    if state is None:
        return None
    services = app_state(app).services
    return EventHub(services.event_feed, services.read_model)


class ClientGoneError(Exception):
    """The client has gone before its request was whole."""


async def _received(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts)


def _request_id_of(scope: Scope) -> bytes:
    given = (value for name, value in scope["headers"] if name == b"x-request-id")
    return request_id(next(given, b"").decode("latin-1")).encode()


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        # The server has checked that it is a number.
        if name == b"content-length":
            return int(value)
    return 0


def _too_large(limit: int) -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"the body must have at most {limit} bytes")


def _path(scope: Scope) -> str:
    """The path below the application's root, in WSGI's way: each byte a character (PEP 3333)."""
    path: str = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    return path.removeprefix(scope.get("root_path", ""))


def build_environ(scope: Scope, path: str, body: bytes) -> WSGIEnvironment:
    """The request as a WSGI environ (PEP 3333); `path` as `_path` has it."""
    host, port = scope.get("server") or ("localhost", 0)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        "PATH_INFO": path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, raw in scope["headers"]:
        # White space around a value is no part of it (RFC 9110, 5.5).
        key, value = _key(name), raw.strip(b" \t").decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    # What has an underscore in its name, and would pass for another.
    environ.pop("", None)
    # The body was read whole, however it came.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


@lru_cache(maxsize=128)
def _key(header: bytes) -> str:
    if b"_" in header:
        return ""
    key = header.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


async def _send(response: Response, send: Send, *, more_body: bool = False) -> None:
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )
    await send({"type": "http.response.body", "body": response.body, "more_body": more_body})


def _response_to(error: HTTPException | Overloaded) -> Response:
    """What the application would say to it."""
    response: Any = from_domain(error) if isinstance(error, Overloaded) else from_http(error)
    if isinstance(response, HTTPException):
        response = response.get_response()
    if isinstance(error, RequestTimeout):
        # What it still sends is no request.
        response.headers["Connection"] = "close"
    return _from_flask(response)


def _from_flask(response: Any) -> Response:
    return _response(response.status_code, list(response.headers), response.get_data())


def _response(status: int, headers: list[tuple[str, str]], body: bytes) -> Response:
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    if not any(name == b"content-length" for name, _ in encoded):
        encoded.append((b"content-length", b"%d" % len(body)))
    return Response(status, encoded, body)
