"""JSON as RFC 8259 means it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.domain.values import MAX_QUANTITY
from order_aggregator.entrypoints.api.strict_json import MalformedJson, parse

_values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_QUANTITY, MAX_QUANTITY) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_values)
def test_what_was_written_is_read(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is empty"),
        (b"{", "not JSON: .* at line 1 column 2"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b'"\xff"', "not UTF-8: .* at byte 1"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1 2", "Extra data"),
    ],
)
def test_what_a_lenient_reader_would_guess_at_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(MalformedJson, match=problem):
        parse(body)


def test_a_huge_number_costs_nothing_and_is_too_great() -> None:
    assert parse(b"9" * 1_000_000) == MAX_QUANTITY + 1
