"""The rules for the plain values that everything else is made of."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .errors import InvalidValue

MAX_ID_LENGTH = 100
MAX_NAME_LENGTH = 200
# Far above any real order, and low enough that sums over every vendor fit in 64 bits.
MAX_QUANTITY = 1_000_000_000

# They look like nothing, and would make another id of the same: controls, soft hyphens, and what
# joins, parts or directs letters without being one.
_INVISIBLE = re.compile("[\u0080-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
# Spaces of any width (Unicode's category Zs).
_SPACES = " \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
# One rule for every id of the process, whoever gives it: see `fold_ids`.
_folding = [False]
# Control characters (NUL cannot be stored) and lone surrogates (they have no UTF-8 form).
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def whole_number(text: str, max_digits: int = 20) -> int:
    """The number that these digits are; -1, as no number is, for any other text or a longer one.

    Not `int`: that takes digits of other alphabets, signs, spaces and `1_0`, too.
    """
    is_number = text.isascii() and text.isdigit() and len(text) <= max_digits
    return int(text) if is_number else -1


def check_text(value: object, field: str, max_length: int = MAX_ID_LENGTH) -> None:
    """Raise InvalidValue unless `value` is 1 to `max_length` printable characters."""
    if not isinstance(value, str):
        raise InvalidValue(field, "must be a string")
    if not 1 <= len(value) <= max_length:
        raise InvalidValue(field, f"must have 1 to {max_length} characters")
    if _UNSTORABLE.search(value):
        raise InvalidValue(field, "must not contain control characters or lone surrogates")


def fold_ids(*, fold: bool) -> None:
    """Whether ids that differ in case alone are the same, in this process from now on."""
    _folding[0] = fold


def clean_id(value: Any) -> Any:
    """An id as it counts: composed (NFC), and without spaces around it."""
    if not isinstance(value, str):
        return value
    if value.isascii():
        value = value.strip(" ")
        return value.lower() if _folding[0] else value
    value = unicodedata.normalize("NFC", value).strip(_SPACES)
    return unicodedata.normalize("NFC", value.casefold()) if _folding[0] else value


def check_id(value: object, field: str) -> None:
    """Raise InvalidValue unless `value` is an id that counts as it stands."""
    check_text(value, field)
    if isinstance(value, str) and not value.isascii() and _INVISIBLE.search(value):
        raise InvalidValue(field, "must not contain zero-width or control characters")


def sanitize(text: str) -> str:
    """The text with a replacement character for each one that `check_text` refuses."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(text: str) -> str:
    """The text, with nothing in it that a terminal obeys or does not show."""
    return _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", sanitize(text))


def check_quantity(value: object, field: str, minimum: int = 1) -> None:
    """Raise InvalidValue unless `value` is a whole number of units from `minimum` up."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(field, "must be a whole number")
    if not minimum <= value <= MAX_QUANTITY:
        raise InvalidValue(field, f"must be from {minimum} to {MAX_QUANTITY}")


def check_aware(value: object, field: str) -> None:
    """Raise InvalidValue unless `value` is a moment with a UTC offset."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidValue(field, "must be a moment with a UTC offset")
    try:
        value.astimezone(UTC)
    except OverflowError as error:
        raise InvalidValue(field, "must lie in the years 1 to 9999 of UTC") from error


def to_utc(value: Any) -> Any:
    """A moment in UTC: no database takes every offset. Anything else as it is."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value


@lru_cache(maxsize=64)
def timestamp_text(timestamp: datetime) -> str:
    """The timestamp as ISO 8601 in UTC, always with six digits of a second: it sorts by time.

    Cached, as nearly everything in a batch has the same.
    """
    return timestamp.astimezone(UTC).isoformat(timespec="microseconds")


def text_id(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field as a product or vendor id."""
    check_id(value, attribute.name)


def name(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field as a display name."""
    check_text(value, attribute.name, MAX_NAME_LENGTH)


def quantity(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field as a positive number of units."""
    check_quantity(value, attribute.name)


def stock_level(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field as a number of units that may be zero."""
    check_quantity(value, attribute.name, minimum=0)


def stock_change(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field as a number of units that come or go."""
    check_quantity(value, attribute.name, minimum=-MAX_QUANTITY)


def sequence(_instance: object, attribute: Any, value: Any) -> None:
    """Validate an attrs field as a running total of units."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise InvalidValue(attribute.name, "must be a whole number from 0 up")


def timestamp(_instance: object, attribute: Any, value: datetime) -> None:
    """Validate an attrs field as a moment with a UTC offset."""
    check_aware(value, attribute.name)
