"""The form of messages on the wire."""

from __future__ import annotations

import json
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from order_aggregator.adapters.wire import MAX_ORDERS, decode, encode, encode_batches
from order_aggregator.domain.errors import MalformedMessage

ORDER_ID = "0199aaaa-0000-7000-8000-000000000001"
OTHER_ID = "0199aaaa-0000-7000-8000-000000000002"

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(st.uuids(), min_size=1, unique=True))
def test_decoding_gives_back_what_was_encoded(order_ids: list[UUID]) -> None:
    assert decode(encode(order_ids)) == tuple(order_ids)


@given(st.lists(st.uuids(), unique=True), st.integers(1, 10))
def test_each_order_is_announced_once_in_its_turn(order_ids: list[UUID], size: int) -> None:
    announced = [decode(body) for body in encode_batches(order_ids, size)]
    assert [order_id for each in announced for order_id in each] == order_ids
    assert all(len(each) == size for each in announced[:-1])
    assert all(1 <= len(each) <= size for each in announced)


def test_the_message_is_json_with_version_and_order_ids() -> None:
    """Other programs read it: a change of this form needs a new version."""
    body = encode([UUID(ORDER_ID), UUID(OTHER_ID)])
    assert json.loads(body) == {"version": 2, "order_ids": [ORDER_ID, OTHER_ID]}


def test_an_order_that_is_named_twice_is_announced_once() -> None:
    body = json.dumps({"version": 2, "order_ids": [ORDER_ID, OTHER_ID, ORDER_ID]}).encode()
    assert decode(body) == (UUID(ORDER_ID), UUID(OTHER_ID))


def test_too_many_orders_are_malformed_and_the_reason_does_not_name_them() -> None:
    body = encode([UUID(int=number) for number in range(MAX_ORDERS + 1)])
    with pytest.raises(MalformedMessage, match="not a list of 1 to 200 UUIDs"):
        decode(body)


def test_further_fields_are_passed_over() -> None:
    body = json.dumps({"version": 2, "order_ids": [ORDER_ID], "sender": "shop"}).encode()
    assert decode(body) == (UUID(ORDER_ID),)


def _decodes_or_is_malformed(body: bytes) -> None:
    with suppress(MalformedMessage):
        assert isinstance(decode(body), tuple)


@given(st.binary())
@example(b"")
@example(b"\xff\xfe\x00")
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 100_000)
@example(b"9" * 10_000)
def test_any_bytes_decode_or_are_malformed(body: bytes) -> None:
    _decodes_or_is_malformed(body)


@given(_JSON)
def test_any_json_decodes_or_is_malformed(value: object) -> None:
    _decodes_or_is_malformed(json.dumps(value).encode())


@given(
    version=_JSON | st.just(2),
    order_ids=_JSON | st.lists(_JSON | st.just(ORDER_ID), min_size=1, max_size=3),
)
def test_any_fields_decode_or_are_malformed(version: object, order_ids: object) -> None:
    _decodes_or_is_malformed(json.dumps({"version": version, "order_ids": order_ids}).encode())


@pytest.mark.parametrize("depth", [*range(100, 1100, 7), 5_000, 50_000])
@pytest.mark.parametrize("field", ["version", "order_ids"])
def test_no_depth_of_nesting_breaks_decoding(depth: int, field: str) -> None:
    nested = "[" * depth + "]" * depth
    fields = {"version": "2", "order_ids": f'["{ORDER_ID}"]', field: nested}
    body = ", ".join(f'"{key}": {value}' for key, value in fields.items())
    with pytest.raises(MalformedMessage):
        decode(b"{%s}" % body.encode())


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"version": 2},
        {"order_ids": [ORDER_ID]},
        {"version": 0, "order_ids": [ORDER_ID]},
        {"version": 1, "order_ids": [ORDER_ID]},
        {"version": 3, "order_ids": [ORDER_ID]},
        {"version": True, "order_ids": [ORDER_ID]},
        {"version": "2", "order_ids": [ORDER_ID]},
        {"version": None, "order_ids": [ORDER_ID]},
        {"version": 2, "order_ids": None},
        {"version": 2, "order_ids": []},
        {"version": 2, "order_ids": {}},
        {"version": 2, "order_ids": {ORDER_ID: 1}},
        {"version": 2, "order_ids": ORDER_ID},
        {"version": 2, "order_ids": 7},
        {"version": 2, "order_ids": True},
        {"version": 2, "order_ids": [None]},
        {"version": 2, "order_ids": [""]},
        {"version": 2, "order_ids": ["no uuid"]},
        {"version": 2, "order_ids": [ORDER_ID, ORDER_ID[:-1]]},
        {"version": 2, "order_ids": [ORDER_ID, 7]},
        {"version": 2, "order_ids": [[ORDER_ID]]},
        {"version": 2, "order_ids": [{"hex": ORDER_ID}]},
        {"version": 2, "order_id": ORDER_ID},
        [],
        [2, ORDER_ID],
        "version",
        1,
        None,
    ],
)
def test_what_is_not_an_order_of_a_known_version_is_malformed(message: object) -> None:
    with pytest.raises(MalformedMessage):
        decode(json.dumps(message).encode())
