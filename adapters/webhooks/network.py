"""Connections to public addresses only, and an end to each exchange."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from ssl import SSLContext
from threading import Event, local
from time import monotonic
from typing import Any

import httpcore

from ...domain.webhooks import is_public

# Seconds for a connection.
CONNECT_TIMEOUT = 5.0
# Seconds until somebody who waits notices that we stop.
NOTICE = 0.5

Resolve = Callable[[str, int], list[str]]
SocketOptions = Iterable[Any]


class PrivateAddress(OSError):
    """The host is, or may be, one that only we can reach."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses that a name stands for; raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("no host has such a name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Deadlines:
    """How long each thread's exchange may still take."""

    def __init__(self) -> None:
        self._ends = local()
        self._closed = Event()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give this thread's exchange so long."""
        self._ends.end = monotonic() + seconds
        yield

    def left(self) -> float:
        """Seconds; raises httpcore.ReadTimeout if there are none, or somebody has closed us."""
        left = float(self._ends.end) - monotonic()
        if left <= 0 or self._closed.is_set():
            raise httpcore.ReadTimeout("no whole answer in time")
        return left

    def close(self) -> None:
        """There is no time left, for anybody."""
        self._closed.set()


class CheckedBackend(httpcore.SyncBackend):
    """Looks each host up, checks what it stands for, and connects to just that.

    Whoever answers for the name cannot answer differently for the check and for the connection.
    """

    def __init__(self, deadlines: Deadlines, *, private: bool, resolve: Resolve = resolve) -> None:
        """`private`: any address may be connected to."""
        self._deadlines = deadlines
        self._private = private
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - that of the exchange counts
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore.NetworkStream:
        """To the first address that answers."""
        error: Exception = httpcore.ConnectError("the host has no address")
        for address in self._checked(host, port):
            within = min(CONNECT_TIMEOUT, self._deadlines.left())
            try:
                stream = super().connect_tcp(address, port, within, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
            else:
                return _Stream(stream, self._deadlines)
        raise error

    def _checked(self, host: str, port: int) -> list[str]:
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error.strerror or error}") from error
        if not self._private and not all(is_public(ip_address(found)) for found in addresses):
            raise PrivateAddress(f"{host} is a private address")
        return addresses


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes all end with the exchange."""

    def __init__(self, stream: httpcore.NetworkStream, deadlines: Deadlines) -> None:
        self._stream = stream
        self._deadlines = deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """In short turns, to notice that we stop."""
        while True:
            within = min(NOTICE, self._deadlines.left())
            try:
                return self._stream.read(max_bytes, within)
            except httpcore.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """All of it."""
        self._stream.write(buffer, self._deadlines.left())

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """The other side has to prove that it is the host of the URL."""
        within = min(CONNECT_TIMEOUT, self._deadlines.left())
        stream = self._stream.start_tls(ssl_context, server_hostname, within)
        return _Stream(stream, self._deadlines)

    def get_extra_info(self, info: str) -> Any:
        """What the connection itself says."""
        return self._stream.get_extra_info(info)
