"""What the command line takes for lines and spans."""

from __future__ import annotations

import pytest

from order_aggregator.domain.errors import InvalidValue
from order_aggregator.entrypoints.orders import hold_seconds, parse_lines


@pytest.mark.parametrize(
    "line", ["tea", "=2", "tea=", "tea=-1", "tea=²", "tea=1_0", "tea=" + "9" * 5000]
)
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(InvalidValue, match="line: must be like tea=2"):
        parse_lines([line])


@pytest.mark.parametrize("seconds", [0, -1, 10**30, -(10**30)])
def test_nothing_is_held_for_ever_or_not_at_all(seconds: int) -> None:
    with pytest.raises(InvalidValue, match="seconds: must be from 1 to 86400 seconds"):
        hold_seconds(seconds)
