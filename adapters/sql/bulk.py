"""Many rows as one parameter, so that the number of statements never grows with a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import attrs
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
    FromClause,
    LargeBinary,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import NullType, TypeEngine

from ...domain.values import timestamp_text

Types = Mapping[str, TypeEngine[Any]]
Parameters = dict[str, object]
ElementForm = Callable[[Any], str]


@attrs.frozen(kw_only=True)
class BulkRows:
    """A parameter that is a table: a FROM element, and what turns rows into its value."""

    source: FromClause
    bind: Callable[[Sequence[Sequence[object]]], Parameters]

    @property
    def c(self) -> Any:
        """The columns."""
        return self.source.c


@attrs.frozen(kw_only=True)
class BulkKeys:
    """A parameter that is a set of values to look up."""

    contain: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    bind: Callable[[Collection[object]], Parameters]


def upsert(dialect: Dialect, table: Table) -> Any:
    """An INSERT with an ON CONFLICT clause: both databases have it, each by its own construct."""
    return (sqlite if dialect.name == "sqlite" else postgresql).insert(table)


def bulk_rows(dialect: Dialect, **types: TypeEngine[Any]) -> BulkRows:
    """Rows with these columns; a statement has at most one such parameter."""
    return _json_rows(types) if dialect.name == "sqlite" else _array_rows(types)


def bulk_keys(dialect: Dialect, type_: TypeEngine[Any]) -> BulkKeys:
    """A set of values of this type; a statement has at most one such parameter."""
    if dialect.name == "sqlite":
        members = _json_rows({"key": type_})
        return BulkKeys(
            contain=lambda tested: tested.in_(select(members.c.key)),
            bind=lambda keys: members.bind([(key,) for key in keys]),
        )
    array, form = _array("key", type_), _element_form(type_)
    return BulkKeys(
        contain=lambda tested: tested == func.any(array),
        bind=lambda keys: {"bulk_key": _array_literal(keys, form)},
    )


def _array_rows(types: Types) -> BulkRows:
    """PostgreSQL: an array a column, side by side."""
    columns = [column(name, type_) for name, type_ in types.items()]
    arrays = [_array(name, type_) for name, type_ in types.items()]
    forms = [(f"bulk_{name}", _element_form(type_)) for name, type_ in types.items()]

    def bind(rows: Sequence[Sequence[object]]) -> Parameters:
        values = zip(*rows, strict=True) if rows else [()] * len(forms)
        return {
            name: _array_literal(column_values, form)
            for (name, form), column_values in zip(forms, values, strict=True)
        }

    source = func.unnest(*arrays).table_valued(*columns).render_derived(name="bulk")
    return BulkRows(source=source, bind=bind)


def _array(name: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    # Sent as untyped text: the driver's own arrays cost ten times as much, and change their type
    # with the size of the numbers, so that the server could not keep the statement prepared.
    parameter: BindParameter[Any] = bindparam(f"bulk_{name}", type_=NullType())
    return cast(parameter, ARRAY(type_))


def _array_literal(values: Iterable[object], form: ElementForm) -> str:
    """PostgreSQL's text form of an array (manual, 8.15.6: array input and output syntax)."""
    return "{" + ",".join(["NULL" if value is None else form(value) for value in values]) + "}"


def _element_form(type_: TypeEngine[Any]) -> ElementForm:
    return _ELEMENT_FORMS[type_.python_type]


def _text_element(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _moment_element(value: datetime) -> str:
    # PostgreSQL knows no offsets of 16 hours and more.
    return f'"{timestamp_text(value)}"'


_ELEMENT_FORMS: Mapping[type, ElementForm] = {
    str: _text_element,
    int: str,
    bool: {False: "f", True: "t"}.__getitem__,
    UUID: attrgetter("hex"),
    datetime: _moment_element,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}


def _json_rows(types: Types) -> BulkRows:
    """SQLite: one JSON array of rows."""
    parameter: BindParameter[str] = bindparam("bulk", type_=Text)
    each = func.json_each(parameter).table_valued(column("value", Text), name="entry")
    columns = [
        _json_value(func.json_extract(each.c.value, f"$[{position}]"), type_).label(name)
        for position, (name, type_) in enumerate(types.items())
    ]
    return BulkRows(
        source=select(*columns).subquery("bulk"),
        bind=lambda rows: {"bulk": json.dumps(rows, default=_json_form)},
    )


def _json_value(extracted: ColumnElement[Any], type_: TypeEngine[Any]) -> ColumnElement[Any]:
    if isinstance(type_, LargeBinary):
        return func.unhex(extracted, type_=type_)
    return type_coerce(extracted, type_)


def _json_form(value: object) -> str:
    """As the column types store it."""
    if isinstance(value, datetime):
        return timestamp_text(value)
    if isinstance(value, UUID | bytes):
        return value.hex if isinstance(value, UUID) else value.hex()
    raise TypeError(f"cannot be sent in bulk: {type(value)}")
