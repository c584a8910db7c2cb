"""Requests and answers, as HTTP has them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import attrs
from werkzeug.exceptions import HTTPException

WITHOUT_BODY = frozenset({204, 304})


@attrs.define(eq=False)
class Request:
    """A request. One that cannot be had whole has the reason instead."""

    method: str = ""
    target: bytes = b""
    version: str = "1.1"
    headers: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    body: bytes = b""
    keep_alive: bool = False
    refusal: HTTPException | None = None


@attrs.frozen
class Answer:
    """What is sent back."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def in_bytes(self, request: Request, date: bytes, *, last: bool) -> bytes:
        """The answer to this request; `last`: no other follows on the connection."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in self.headers]
        if self.status not in WITHOUT_BODY and not self._has_length():
            lines.append(f"Content-Length: {len(self.body)}\r\n")
        if last:
            lines.append("Connection: close\r\n")
        elif request.version == "1.0":
            lines.append("Connection: keep-alive\r\n")
        head = "".join(lines).encode("latin-1")
        body = b"" if request.method == "HEAD" else self.body
        return b"%b%b\r\n%b" % (head, date, body)

    def _has_length(self) -> bool:
        return any(name.lower() == "content-length" for name, _ in self.headers)
