"""How often something may be asked for."""

from __future__ import annotations

from typing import Any

import attrs

from .errors import InvalidValue
from .values import whole_number

MAX_REQUESTS = 1_000_000
MAX_SECONDS = 86_400
MAX_DAILY_QUOTA = 1_000_000_000
_RULE = (
    f"must be <requests> or <requests>/<seconds>: 1 to {MAX_REQUESTS} requests in 1 to "
    f"{MAX_SECONDS} seconds"
)


@attrs.frozen
class Rate:
    """So many requests in so many seconds. Raises InvalidValue."""

    requests: int = attrs.field()
    seconds: int = attrs.field(default=1)

    def __attrs_post_init__(self) -> None:
        for value, most in ((self.requests, MAX_REQUESTS), (self.seconds, MAX_SECONDS)):
            if type(value) is not int or not 1 <= value <= most:
                raise InvalidValue("rate", _RULE)

    def __str__(self) -> str:
        return str(self.requests) if self.seconds == 1 else f"{self.requests}/{self.seconds}"


def parse_rate(text: str, field: str) -> Rate:
    """A rate such as 50 (a second) or 100/60; raises InvalidValue."""
    requests, slash, span = text.partition("/")
    try:
        return Rate(whole_number(requests), whole_number(span) if slash else 1)
    except InvalidValue as error:
        raise InvalidValue(field, error.expected) from error


def daily_quota(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field as a number of requests a day, or None."""
    if value is None:
        return
    if type(value) is not int or not 1 <= value <= MAX_DAILY_QUOTA:
        raise InvalidValue(attribute.name, f"must be a whole number from 1 to {MAX_DAILY_QUOTA}")
