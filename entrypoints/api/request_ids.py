"""Ids of requests: the client's own, or made here. Each is returned, and stands in the log."""

from __future__ import annotations

import re

import uuid_utils

HEADER = "X-Request-ID"
# Where it is found while the request is answered.
ENVIRON_KEY = "HTTP_X_REQUEST_ID"
# Neither white space nor anything else that could break a line of a log.
_VALID = re.compile(r"[\x21-\x7E]{1,128}")


def request_id(given: str | None) -> str:
    """The id that was given if it is 1 to 128 visible ASCII characters, else a new one."""
    if given is not None and _VALID.fullmatch(given):
        return given
    return uuid_utils.uuid7().hex
