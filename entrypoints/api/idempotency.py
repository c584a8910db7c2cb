"""Requests that carry an idempotency key."""

from __future__ import annotations

import hashlib

from flask import Request, Response

from ...domain.use_cases.idempotency import Answer, RequestKey
from .order_requests import IDEMPOTENCY_KEY, check_idempotency_key
from .responses import json_text_response

REPLAYED = "Idempotent-Replayed"
REPLAYED_HEADER = {
    REPLAYED: {
        "description": "There, and true, where an earlier request with the key was answered so.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


def request_key(request: Request) -> RequestKey | None:
    """The key, with a digest of what is asked for; raises InvalidRequest for one that is none."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    check_idempotency_key(key)
    if key is None:
        return None
    asked = f"{request.method} {request.path}\n".encode() + request.get_data()
    return RequestKey(key=key, digest=hashlib.sha256(asked).hexdigest())


def answered(answer: Answer, status: int = 200) -> Response:
    """The answer, which says if it is an earlier one."""
    response = json_text_response(answer.text, status)
    if answer.replayed:
        response.headers[REPLAYED] = "true"
    return response
