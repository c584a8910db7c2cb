"""Cutting what is too much for one transaction."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.domain.batches import batches_of


@given(st.lists(st.integers()), st.integers(1, 7))
def test_batches_are_full_but_the_last_and_nothing_is_lost(items: list[int], size: int) -> None:
    batches = list(batches_of(items, size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(1 <= len(batch) <= size for batch in batches)
