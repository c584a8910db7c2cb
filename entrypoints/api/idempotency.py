"""Requests that carry an idempotency key."""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus

from flask import Request, Response

from ...domain.access import ANYONE
from ...domain.use_cases.idempotency import CLIENTS, Answer, RequestKey
from ...domain.use_cases.place_orders import MAX_KEY_LENGTH
from .access import principal_of
from .problems import InvalidRequest
from .responses import json_text_response

IDEMPOTENCY_KEY = "Idempotency-Key"
# Printable ASCII: what every server and proxy passes on unchanged, but for spaces around it.
_KEY = re.compile(rf"[\x21-\x7E]([\x20-\x7E]{{0,{MAX_KEY_LENGTH - 2}}}[\x21-\x7E])?")
IDEMPOTENCY_KEY_HEADER = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "Repeating a request with the same key has no second effect. Spaces around it "
    "do not count.",
    "required": False,
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_KEY_LENGTH,
        "pattern": f"^{_KEY.pattern}$",
    },
}
REPLAYED = "Idempotent-Replayed"
REPLAYED_HEADER = {
    REPLAYED: {
        "description": "There, and true, where an earlier request with the key was answered so.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


def idempotency_key(request: Request) -> str | None:
    """The key, if there is one; raises InvalidRequest for one that is none."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    key = key.strip(" ")
    if not _KEY.fullmatch(key):
        raise InvalidRequest(
            {IDEMPOTENCY_KEY: [f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters"]}
        )
    return key


def request_key(request: Request) -> RequestKey | None:
    """The key, with a digest of what is asked for; raises InvalidRequest for one that is none."""
    key = idempotency_key(request)
    if key is None:
        return None
    asked = f"{request.method} {request.path}\n".encode() + request.get_data()
    caller = caller_of(request)
    scope = CLIENTS if caller is None else f"{CLIENTS}:{caller}"
    return RequestKey(key=key, digest=hashlib.sha256(asked).hexdigest(), scope=scope)


def caller_of(request: Request) -> str | None:
    """Whose key it is; None where anyone may call."""
    principal = principal_of(request)
    return None if principal is None or principal.id == ANYONE.id else principal.id


def answered(answer: Answer, status: int = 200) -> Response:
    """The answer, which says if it is an earlier one."""
    empty = status == HTTPStatus.NO_CONTENT
    response = Response(status=status) if empty else json_text_response(answer.text, status)
    if answer.replayed:
        response.headers[REPLAYED] = "true"
    return response
