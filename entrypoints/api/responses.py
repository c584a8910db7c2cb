"""Answers in JSON, at a fraction of what a general response costs."""

from __future__ import annotations

import json
from typing import Any

from flask import Response
from werkzeug.datastructures import Headers

JSON = "application/json"


class _PrebuiltResponse(Response):
    """An answer whose headers are complete: searching them for what to mend costs a tenth of it."""

    def get_wsgi_headers(self, environ: object) -> Headers:  # noqa: ARG002
        return self.headers


def json_response(document: Any, status: int = 200, content_type: str = JSON) -> Response:
    """The document as an answer."""
    return json_text_response(json.dumps(document), status, content_type)


def json_text_response(text: str, status: int = 200, content_type: str = JSON) -> Response:
    """What is JSON already, as an answer."""
    body = text.encode()
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    return _PrebuiltResponse(body, status, headers)
