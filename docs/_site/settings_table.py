"""The table of settings: what the code knows of each, with the README's words for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from order_aggregator.adapters.system.settings import InvalidSetting, Settings, read_settings

README = Path(__file__).parents[2] / "README.md"
_CODE = re.compile(r"`([^`]+)`")
_CODE_ALONE = re.compile(r"^`([^`]+)`$")


@attrs.frozen
class Row:
    """A setting in the README: its default as it stands there, and what it means."""

    default: str
    meaning: str


def readme_rows() -> dict[str, Row]:
    """The README's settings by variable; several may share a line."""
    section = README.read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    return {name: row for line in section.splitlines() for name, row in _rows(line)}


def _rows(line: str) -> Iterator[tuple[str, Row]]:
    if not line.startswith("| `"):
        return
    names, default, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
    variables = _CODE.findall(names)
    defaults = _CODE.findall(default)
    if len(variables) == 1 or not defaults:
        # In words, for all of them.
        defaults = [_CODE_ALONE.sub(r"\1", default)] * len(variables)
    for variable, each in zip(variables, defaults, strict=True):
        yield variable, Row(each, meaning)


def written(value: Any) -> str:
    """A value as an environment variable has it."""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return getattr(value, "__name__", str(value))


def _accepted(variable: str) -> str:
    """What is said to a value that makes no sense; text makes some anyway."""
    try:
        read_settings({variable: "?"})
    except InvalidSetting as error:
        return error.expected.removeprefix("must be ").replace("<", "&lt;")
    return "text"


def markdown() -> str:
    """The table."""
    rows = readme_rows()
    lines = ["| variable | default | accepted | meaning |", "|---|---|---|---|"]
    for field in attrs.fields(Settings):
        variable = field.metadata["variable"]
        default = rows[variable].default if field.default is None else f"`{written(field.default)}`"
        meaning = rows[variable].meaning.replace("](docs/", "](../")
        lines.append(f"| `{variable}` | {default} | {_accepted(variable)} | {meaning} |")
    return "\n".join(lines)
