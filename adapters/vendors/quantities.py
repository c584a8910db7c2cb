"""Quantities as vendors write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from ...domain.errors import InvalidValue
from ...domain.values import MAX_QUANTITY

# How numbers are written, by an example of each.
STYLES: Mapping[str, tuple[str, str]] = {
    "1234.5": ("", "."),
    "1234,5": ("", ","),
    "1,234.5": (",", "."),
    "1.234,5": (".", ","),
    "1 234,5": (" ", ","),
    "1'234.5": ("'", "."),
}
USUAL_STYLE = "1234.5"
# Spaces by which thousands are parted, besides the usual one.
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})
# More than it is, or at least so many: what is sure counts.
_AT_LEAST = re.compile(r"(?:[>\u2265]=?\s*)(?P<after>.+)|(?P<before>.+?)\s*\+")
_MAX_DIGITS = 20

# Whole, or with a part of one.
Units = Decimal | int


class Quantities:
    """Reads quantities; InvalidValue for what is none."""

    def __init__(self, style: object = USUAL_STYLE, words: Mapping[str, int] | None = None) -> None:
        """`words`: what stands for how many units, in whatever case."""
        if not isinstance(style, str) or style not in STYLES:
            raise InvalidValue("numbers", f"must be one of {', '.join(map(repr, STYLES))}")
        thousands, point = STYLES[style]
        digits = (
            r"\d+" if not thousands else rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+)"
        )
        self._number = re.compile(rf"([+-]?)({digits})(?:{re.escape(point)}(\d*))?", re.ASCII)
        self._thousands = thousands
        self._words = {_folded(word): Decimal(units) for word, units in (words or {}).items()}

    def read(self, value: object) -> Units | None:
        """So many units, perhaps a part of one, perhaps below 0; None where nothing is said."""
        if isinstance(value, bool):
            raise _no_number()
        if isinstance(value, int):
            return _limited(value)
        if isinstance(value, float):
            return _limited(Decimal(value))
        if value is None:
            return None
        if not isinstance(value, str):
            raise _no_number()
        if value.isdigit() and value.isascii() and len(value) <= _MAX_DIGITS:
            # Nearly all are: a tenth of the time that any other takes.
            return _limited(int(value))
        return self._from_text(value.translate(_SPACES).strip())

    def _from_text(self, text: str) -> Units | None:
        if not text:
            return None
        if (units := self._words.get(_folded(text))) is not None:
            return units
        at_least = _AT_LEAST.fullmatch(text)
        if at_least:
            text = at_least["after"] or at_least["before"]
        found = self._number.fullmatch(text)
        if found is None or len(text) > _MAX_DIGITS:
            raise _no_number()
        sign, whole, part = found.groups()
        whole = whole.replace(self._thousands, "") if self._thousands else whole
        return _limited(Decimal(f"{sign}{whole}.{part or 0}"))


def _limited(units: Units) -> Units:
    if (isinstance(units, Decimal) and not units.is_finite()) or units > MAX_QUANTITY:
        raise InvalidValue("quantity", f"must be at most {MAX_QUANTITY}")
    return units


def _folded(word: str) -> str:
    return " ".join(word.casefold().split())


def _no_number() -> InvalidValue:
    return InvalidValue("quantity", "must be a number of units")
