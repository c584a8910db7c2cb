"""The header by which other programs know a trace."""

from __future__ import annotations

from uuid import UUID

import pytest

from order_aggregator.adapters.rabbitmq.message_bus import _properties
from order_aggregator.adapters.wire import encode

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("traces", "expected"),
    [
        ({}, None),
        ({ONE: "00-a"}, {"traceparent": "00-a"}),
        ({ONE: "00-a", OTHER: "00-a"}, {"traceparent": "00-a"}),
        ({ONE: "00-a", OTHER: "00-b"}, None),
    ],
)
def test_a_message_has_a_header_where_all_its_orders_have_the_same_trace(
    traces: dict[UUID, str], expected: dict[str, str] | None
) -> None:
    assert _properties(encode((ONE, OTHER), traces)).headers == expected
