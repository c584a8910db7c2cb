"""Reads JSON as RFC 8259 means it, and refuses what a lenient reader would guess at."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ...domain.errors import OrderAggregatorError
from ...domain.values import MAX_QUANTITY

# No figure of ours has as many digits: a longer one is not worth converting, only refusing.
LONGEST_INTEGER = 20


class MalformedJson(OrderAggregatorError):
    """The bytes are not JSON, or not unambiguously so."""


def parse(body: bytes) -> Any:
    """The value in `body`; raises MalformedJson. An overlong integer becomes one too great."""
    if not body:
        raise MalformedJson("the body is empty")
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise MalformedJson(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise MalformedJson(f"not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise MalformedJson("nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedJson(f"the key {key[:100]!r} stands twice in one object")
            seen.add(key)
    return members


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= LONGEST_INTEGER else MAX_QUANTITY + 1


def _not_a_number(name: str) -> NoReturn:
    raise MalformedJson(f"not JSON: {name} is no number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_constant=_not_a_number
)
