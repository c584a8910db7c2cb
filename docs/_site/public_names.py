"""The public names of the package, by the part that they come from."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import order_aggregator

# The first that a module's name begins with.
_PARTS = {
    "order_aggregator.domain.use_cases": "Use cases",
    "order_aggregator.domain.ports": "Ports",
    "order_aggregator.domain.errors": "Errors",
    "order_aggregator.domain": "Values and rules",
    "order_aggregator.adapters": "Adapters in memory",
}


def _part(thing: Any) -> str:
    # What has no module of its own is a constant or an alias of the allocation's.
    module = getattr(thing, "__module__", "order_aggregator.domain")
    return next((part for prefix, part in _PARTS.items() if module.startswith(prefix)), "")


def _entry(name: str) -> list[str]:
    thing = getattr(order_aggregator, name)
    if inspect.isclass(thing):
        is_error = issubclass(thing, Exception)
        options = [":show-inheritance:"] if is_error else [":members:", ":undoc-members:"]
        return [f".. autoclass:: {name}", *(f"   {option}" for option in options), ""]
    if inspect.isfunction(thing):
        return [f".. autofunction:: {name}", ""]
    if isinstance(thing, Mapping):
        return [f".. py:data:: {name}", "", f"   By name: {', '.join(thing)}.", ""]
    return [f".. autodata:: {name}", "   :no-value:", ""]


def _sections() -> Iterator[str]:
    for part in ("Values and rules", "Use cases", "Ports", "Adapters in memory", "Errors"):
        names = [n for n in order_aggregator.__all__ if _part(getattr(order_aggregator, n)) == part]
        entries = [line for name in names for line in _entry(name)]
        rst = [".. currentmodule:: order_aggregator", "", *entries]
        yield "\n".join([f"## {part}", "", "```{eval-rst}", *rst, "```", ""])


def markdown() -> str:
    """A section a part."""
    return "\n".join(_sections())
