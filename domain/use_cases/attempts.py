"""Doing something again that others got in the way of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import Conflict

ATTEMPTS = 5
T = TypeVar("T")


def despite_conflicts(transaction: Callable[[], T]) -> T:
    """What a whole transaction answers; the last Conflict when others keep getting in the way."""
    for _ in range(ATTEMPTS - 1):
        try:
            return transaction()
        except Conflict:
            continue
    return transaction()
