"""Cutting what is much into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches_of(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """All items in their order, so many at a time."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
