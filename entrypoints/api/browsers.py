"""What browsers are told: what our answers may do there, and which other sites may ask."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

from flask import Flask, Response
from flask_cors import CORS
from flask_smorest.pagination import PaginationMixin  # type: ignore[import-untyped]

from .idempotency import REPLAYED
from .rate_limit import POLICY_HEADER, REMAINING_HEADER
from .request_ids import HEADER as REQUEST_ID

NEVER_FRAMED = "frame-ancestors 'none'"
POLICY = "Content-Security-Policy"
# Of everything that is no page: data, which is not guessed to be one, runs nothing and is framed
# nowhere.
HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (POLICY, f"default-src 'none'; {NEVER_FRAMED}"),
)
# What scripts of other sites may read beside the body.
EXPOSED = (
    "Location",
    "Retry-After",
    "X-Next-Cursor",
    PaginationMixin.PAGINATION_HEADER_NAME,
    POLICY_HEADER,
    REMAINING_HEADER,
    REPLAYED,
    REQUEST_ID,
)
# Seconds that a browser remembers who may ask.
MAX_AGE = 600
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def protect(response: Response) -> None:
    """Have a browser do no more with the answer than it is for, unless that was said already."""
    if response.mimetype == "text/html" and POLICY not in response.headers:
        response.headers[POLICY] = _policy_of_page(response.get_data())
    for name, value in HEADERS:
        response.headers.setdefault(name, value)


def _policy_of_page(page: bytes) -> str:
    """Swagger UI runs its own files and the one script that the page holds, and asks only us."""
    scripts = " ".join(
        f"'sha256-{b64encode(sha256(script).digest()).decode()}'"
        for script in _INLINE.findall(page)
    )
    return (
        f"default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; {NEVER_FRAMED}"
    )


def let_ask(app: Flask, origins: Sequence[str]) -> None:
    """Let scripts of these sites ask. There are no cookies: each shows a token of its own."""
    CORS(app, origins=list(origins), expose_headers=list(EXPOSED), max_age=MAX_AGE)
