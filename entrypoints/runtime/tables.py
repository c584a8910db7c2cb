"""Tables for terminals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...domain.values import printable


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as lines, in columns; the first row is the heading."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
