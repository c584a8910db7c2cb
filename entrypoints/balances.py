"""What is told of balances that differ from the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs

from ..domain.ports.ledger import Discrepancy
from ..domain.use_cases.repair_balances import Repair


def differs(found: Discrepancy) -> str:
    """A figure that is wrong, in a line."""
    return f"{found.figure} of {found.subject}: expected {found.expected}, found {found.found}"


def repaired(repair: Repair) -> str:
    """What was written for a figure, in a line."""
    return f"{differs(repair.discrepancy)}: {_written(repair)}"


def _written(repair: Repair) -> str:
    if repair.adjustment is not None:
        return f"stock_adjustments gets {repair.adjustment.delta:+} ({repair.adjustment.cause})"
    table = "central_stock" if repair.discrepancy.vendor_id is None else "vendor_stock"
    column = repair.discrepancy.figure.removeprefix("vendor_")
    counted = "" if repair.counted is None else f", counted becomes {repair.counted}"
    return f"{table}.{column} becomes {repair.discrepancy.expected}{counted}"


def needs_person(found: Discrepancy) -> str:
    """What no arithmetic can repair, in a line."""
    return f"{differs(found)}: needs a person"


def as_json(entry: Repair | Discrepancy) -> str:
    """The same for programs; `written` is null where nothing is."""
    found = entry.discrepancy if isinstance(entry, Repair) else entry
    written = _written(entry) if isinstance(entry, Repair) else None
    return json.dumps({**attrs.asdict(found), "written": written})


def summary(repairs: int, remaining: int, *, keep: bool) -> Iterator[str]:
    """What it all comes to, in a line or two."""
    if repairs:
        figures = "1 figure" if repairs == 1 else f"{repairs} figures"
        yield f"{figures} repaired" if keep else f"{figures} to repair; nothing was changed"
    if remaining:
        yield "1 discrepancy" if remaining == 1 else f"{remaining} discrepancies"
    if not repairs and not remaining:
        yield "every balance agrees with the ledger"
