"""The settings in effect, and where each is from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import attrs

from ..adapters.system.settings import Given, Settings, masked


@attrs.frozen(kw_only=True)
class Setting:
    """A setting in effect. `value` has no password."""

    variable: str
    value: str
    source: str


def in_effect(given: Mapping[str, Given]) -> list[Setting]:
    """Every setting, in the order of the README's table."""
    return [_setting(field, given) for field in attrs.fields(Settings)]


def _setting(field: attrs.Attribute[Any], given: Mapping[str, Given]) -> Setting:
    variable = field.metadata["variable"]
    told = given.get(variable)
    text = _text(field.default) if told is None else told.text
    value = masked(text) if text and field.metadata["secret"] else text
    return Setting(
        variable=variable, value=value, source="default" if told is None else told.source
    )


def _text(default: object) -> str:
    match default:
        case None | ():
            return ""
        case bool():
            return "yes" if default else "no"
        case timedelta():
            return f"{default.total_seconds():g}"
        case _ if callable(default):
            return str(getattr(default, "__name__", default))
        case _:
            return str(default)


def rows(settings: Sequence[Setting]) -> list[tuple[str, str, str]]:
    """For a table."""
    heading = ("VARIABLE", "VALUE", "FROM")
    return [heading, *((each.variable, each.value, each.source) for each in settings)]


def as_json(settings: Sequence[Setting]) -> str:
    """An object by variable."""
    told = {each.variable: {"value": each.value, "source": each.source} for each in settings}
    return json.dumps(told, ensure_ascii=False)
