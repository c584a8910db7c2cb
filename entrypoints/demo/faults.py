"""What may go wrong at a mock vendor."""

from __future__ import annotations

from typing import Any

import attrs

from ...domain.errors import InvalidValue

MAX_SECONDS = 86_400.0


def _share(_instance: object, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidValue(attribute.name, "must be a share, from 0 to 1")


def _seconds(_instance: object, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(attribute.name, "must be a number of seconds")
    if not 0 <= value <= MAX_SECONDS:
        raise InvalidValue(attribute.name, f"must be from 0 to {MAX_SECONDS:g} seconds")


@attrs.frozen(kw_only=True)
class Faults:
    """Shares of the answers that are so, or seconds."""

    # Before each answer, at most.
    delay: float = attrs.field(default=0, validator=_seconds)
    # Status 500; half a body; an earlier report; rows in another order, or twice; a quantity that
    # is none.
    errors: float = attrs.field(default=0, validator=_share)
    half_bodies: float = attrs.field(default=0, validator=_share)
    stale: float = attrs.field(default=0, validator=_share)
    shuffled: float = attrs.field(default=0, validator=_share)
    duplicates: float = attrs.field(default=0, validator=_share)
    wrong_types: float = attrs.field(default=0, validator=_share)
    # By so much its clock is wrong at most, each time by something else.
    clock: float = attrs.field(default=0, validator=_seconds)
    # So late it learns of our orders.
    learns_after: float = attrs.field(default=0, validator=_seconds)


def parse_faults(document: Any) -> Faults:
    """The faults in a JSON document; raises InvalidValue."""
    if not isinstance(document, dict):
        raise InvalidValue("body", "must be an object")
    known = [field.name for field in attrs.fields(Faults)]
    for name in document:
        if name not in known:
            raise InvalidValue(str(name)[:100], f"is no fault; there are {', '.join(known)}")
    return Faults(**document)
