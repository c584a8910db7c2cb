"""The body of a request, as JSON."""

from __future__ import annotations

from typing import Any

from flask import Request
from werkzeug.exceptions import (
    ClientDisconnected,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from . import strict_json
from .responses import JSON


def json_body(request: Request, limit: int) -> Any:
    """The document; raises MalformedJson, or what HTTP calls it when it is none."""
    body = request.get_data(cache=False)
    if len(body) < (request.content_length or 0):
        # Not every server says so itself, and what did arrive may well be JSON.
        raise ClientDisconnected("the body is shorter than its Content-Length")
    if len(body) > limit:
        raise RequestEntityTooLarge(f"the body must have at most {limit} bytes")
    if body and request.mimetype != JSON:
        raise UnsupportedMediaType(f"the body must be {JSON}")
    return strict_json.parse(body)
