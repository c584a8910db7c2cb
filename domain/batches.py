"""Cutting what is much into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batches_of(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """All items in their order, so many at a time."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
