"""An end to a whole conversation over HTTP, however slowly the other side drips."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Timer
from time import monotonic
from types import TracebackType
from typing import Any, Self


class Deadline:
    """Breaks the connections it watches once its time is up.

    The timeouts of httpx are for single reads: a byte now and then keeps a response going forever.
    """

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds
        self._timer = Timer(seconds, self._expire)
        self._timer.daemon = True
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self._expired = False

    @property
    def expired(self) -> bool:
        """Whether the time is up; what came in by then may have been cut short."""
        return self._expired

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return max(0.0, self._end - monotonic())

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Watch every connection that is opened: to be httpx's extension `trace`."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._sockets.append(info["return_value"].get_extra_info("socket"))
                if self._expired:
                    self._break()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._sockets.clear()

    def _expire(self) -> None:
        with self._lock:
            self._expired = True
            self._break()

    def _break(self) -> None:
        for connection in self._sockets:
            # A shutdown makes a read that waits return. A close would not, and would free the
            # descriptor under its hands. The error means that the connection is closed already.
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
