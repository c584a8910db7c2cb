"""HTTP/1.1 in an event loop: requests are read whole, and answered one after the other.

httptools (llhttp) parses; what is here are the bounds, the deadlines and the order of things.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from math import inf
from typing import cast

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    RequestEntityTooLarge,
    RequestHeaderFieldsTooLarge,
    RequestTimeout,
)

from .messages import Answer, Request

MAX_HEAD_BYTES = 64 * 1024
# What a header counts besides its name and value (RFC 7541, 4.1): it bounds their number, too.
HEADER_OVERHEAD = 32
# In digits.
LONGEST_LENGTH = 20
# Of a body that is too large, so much is read all the same: a client that is still sending would
# not see the answer.
MAX_DRAINED_BYTES = 16 * 1024 * 1024
# Seconds that a connection is kept for another request.
KEEP_ALIVE = 75.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connections:
    """All connections of a process, and how their requests are handled.

    `handle` is given each request, and what it calls once it has the answer.
    """

    def __init__(
        self,
        handle: Callable[[Request, Connection], None],
        *,
        max_body_bytes: int,
        patience: float,
    ) -> None:
        self.handle = handle
        self.max_body_bytes = max_body_bytes
        # Seconds that a client may take to send a request, or to take in an answer.
        self.patience = patience
        self.open: set[Connection] = set()
        self.closing = False
        self._closed = asyncio.Event()
        self.date = b""

    def new(self) -> Connection:
        """One that is about to begin."""
        return Connection(self)

    def tick(self) -> None:
        """To be called every second: ends what has taken too long."""
        self.date = f"Date: {formatdate(usegmt=True)}\r\n".encode()
        now = asyncio.get_running_loop().time()
        for connection in [c for c in self.open if c.deadline < now]:
            connection.expire()

    def forget(self, connection: Connection) -> None:
        """It is closed."""
        self.open.discard(connection)
        if self.closing and not self.open:
            self._closed.set()

    async def close(self) -> None:
        """Answer what has been sent, and close each connection after that."""
        self.closing = True
        for connection in list(self.open):
            connection.close_if_idle()
        if self.open:
            await self._closed.wait()


class Connection(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._parser = HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        # What is being read, how much of its head and of its body has come, and of what is neither,
        # or no whole part of it yet.
        self._request = Request()
        self._reading = False
        self._in_head = False
        self._head_size = 0
        self._size = 0
        self._unheard = 0
        self._parts: list[bytes] = []
        # What waits for the answer to an earlier one, and that one.
        self._next: deque[Request] = deque()
        self._answering: Request | None = None
        self._handling = False
        # Nothing more is read; nothing more can be written for now; reading waits.
        self._ended = False
        self._blocked = False
        self._paused = False
        self.deadline = inf
        self.server = ("", 0)
        self.client = ("", 0)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast(asyncio.Transport, transport)
        self.server = transport.get_extra_info("sockname") or self.server
        self.client = transport.get_extra_info("peername") or self.client
        self.deadline = self._loop.time() + KEEP_ALIVE
        self._connections.open.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """The client has gone, or we have closed. What is being answered is finished in vain."""
        self._connections.forget(self)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._ended:
            return
        self._unheard += len(data)
        try:
            self._parser.feed_data(data)
            self._check_head(self._unheard)
        except HttpParserUpgrade:
            # The request is whole; what comes after it would not be HTTP.
            self._ended = True
        except HttpParserCallbackError as error:
            if not isinstance(error.__context__, HTTPException):
                raise
            self._refuse(error.__context__)
        except HttpParserError as error:
            self._refuse(BadRequest(f"this is not HTTP/1.1: {error}"))
        except HTTPException as error:
            self._refuse(error)

    def eof_received(self) -> bool:
        """The client sends no more. It may still listen."""
        if self._reading and not self._ended:
            self._refuse(ClientDisconnected("the request broke off"))
        self._ended = True
        return self._answering is not None

    def pause_writing(self) -> None:
        """The client does not take in what we send."""
        self._blocked = True
        self._wait_for_client()

    def resume_writing(self) -> None:
        """It does again."""
        self._blocked = False
        self._wait_for_client()
        self._go_on()

    # What the parser calls; what is raised here refuses the request.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._request = Request()
        self._reading = True
        self._in_head = True
        self._head_size = 0
        self._size = 0
        self._parts = []
        self._wait_for_client()

    def on_url(self, part: bytes) -> None:
        """A part of the request's target."""
        self._request.target += part
        self._count_head(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, whole. What comes after the body as a trailer is none."""
        if self._in_head:
            self._request.headers.append((name, value))
        self._count_head(len(name) + len(value) + HEADER_OVERHEAD)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        expects = False
        for name, value in self._request.headers:
            key = name.lower()
            if key == b"content-length":
                # The parser has checked that it is a number.
                if len(value) > LONGEST_LENGTH:
                    raise BadRequest("the Content-Length is too long")
                self._check_size(int(value))
            elif key == b"expect":
                expects = value.lower() == b"100-continue"
        if expects and self._parser.get_http_version() != "1.0":
            if self._request.refusal is not None:
                raise self._request.refusal
            # Not in between earlier answers: a client goes on without it, too.
            if self._answering is None:
                self._transport.write(CONTINUE)

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        self._unheard = 0
        self._size += len(part)
        self._check_size(self._size)
        if self._request.refusal is None:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """The request is whole."""
        request = self._request
        request.method = self._parser.get_method().decode("ascii")
        request.version = self._parser.get_http_version()
        # We do not speak what the client would rather go on in.
        request.keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        request.body = b"".join(self._parts)
        self._reading = False
        self._next.append(request)
        self._go_on()

    # What the gateway calls.

    def answer(self, answer: Answer) -> None:
        """Answer the request that was handed out last."""
        request = self._answering
        if request is None:
            raise RuntimeError("there is no request to answer")
        self._answering = None
        if self._transport.is_closing():
            return
        last = not request.keep_alive or (
            not self._next and (self._ended or self._connections.closing)
        )
        if last:
            self._ended = True
            self._next.clear()
        self._wait_for_client()
        self._transport.write(answer.in_bytes(request, self._connections.date, last=last))
        self._go_on()

    def expire(self) -> None:
        """Its deadline has passed."""
        if self._blocked or self._transport.is_closing():
            # It has not taken in what we sent.
            self._transport.abort()
        elif self._reading and not self._ended:
            self._refuse(RequestTimeout("the request did not come in time"))
        else:
            self._transport.close()

    def close_if_idle(self) -> None:
        """Close, unless a request is being read or answered."""
        if self._answering is None and not self._reading and not self._next:
            self._ended = True
            self._wait_for_client()
            self._transport.close()

    def _check_size(self, size: int) -> None:
        limit = self._connections.max_body_bytes
        if size > limit:
            self._request.refusal = RequestEntityTooLarge(
                f"the body must have at most {limit} bytes"
            )
            if size > MAX_DRAINED_BYTES:
                raise self._request.refusal

    def _count_head(self, size: int) -> None:
        self._unheard = 0
        self._head_size += size
        self._check_head(self._head_size)

    def _check_head(self, size: int) -> None:
        if size > MAX_HEAD_BYTES:
            raise RequestHeaderFieldsTooLarge("the head of the request is too large")

    def _refuse(self, refusal: HTTPException) -> None:
        """Answer what came whole, then this; read no more."""
        self._ended = True
        self._next.append(Request(refusal=refusal))
        self._go_on()

    def _wait_for_client(self) -> None:
        """Set until when the client must have done what it is to do next, if it is its turn."""
        if self._answering is None:
            idle = not (self._reading or self._blocked or self._ended)
            patience = KEEP_ALIVE if idle else self._connections.patience
            self.deadline = self._loop.time() + patience

    def _go_on(self) -> None:
        """Do what can be done now."""
        if self._handling:
            return  # the loop below will
        self._handling = True
        try:
            while self._can_answer():
                self._answering = self._next.popleft()
                self.deadline = inf
                self._connections.handle(self._answering, self)
        finally:
            self._handling = False
        if self._answering is None and not self._next and self._ended:
            self._transport.close()
        else:
            self._read_on(not self._blocked and not self._next)

    def _can_answer(self) -> bool:
        ready = self._answering is None and not self._blocked
        return ready and bool(self._next) and not self._transport.is_closing()

    def _read_on(self, wanted: bool) -> None:
        if self._paused is wanted and not self._transport.is_closing():
            self._paused = not wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
