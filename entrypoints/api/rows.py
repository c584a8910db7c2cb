"""Rows of a request: each becomes a value of the domain, or says what is wrong with its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ...domain.errors import InvalidValue

T = TypeVar("T")

_MOMENTS = {"as_of", "expected_at"}
# Where null says something.
_NULLABLE = {"expected_at"}


def parse_row(  # noqa: PLR0917 - a call for each kind of row
    row: Any,
    place: str,
    errors: dict[str, list[str]],
    make: Callable[..., T],
    fields: Mapping[str, str],
    valid: Mapping[str, Any],
    required: Sequence[str],
) -> T | None:
    """The row, or None, with what is wrong added to the errors."""
    if not isinstance(row, dict):
        errors[place] = ["must be an object"]
        return None
    wrong = {f"{place}.{key[:100]}": ["unknown field"] for key in row.keys() - fields.keys()}
    wrong |= {f"{place}.{key}": ["is required"] for key in required if key not in row}
    given = {fields[key]: value for key, value in row.items() if key in fields}
    for key, name in fields.items():
        if name in given and given[name] is None and name not in _NULLABLE:
            wrong[f"{place}.{key}"] = ["must not be null"]
        elif name in given:
            try:
                given[name] = _moment(given[name], name) if name in _MOMENTS else given[name]
                # Each alone, so that one wrong field does not hide another.
                make(**(dict(valid) | {name: given[name]}))
            except InvalidValue as error:
                wrong[f"{place}.{key}"] = [error.expected]
    if wrong:
        errors.update(wrong)
        return None
    return make(**given)


def _moment(value: object, name: str) -> object:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise InvalidValue(name, "must be a moment with a UTC offset") from error
