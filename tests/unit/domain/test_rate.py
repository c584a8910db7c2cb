"""Rates, and quotas of a day."""

from __future__ import annotations

import pytest

from order_aggregator.domain.errors import InvalidValue
from order_aggregator.domain.rate import Rate, parse_rate
from order_aggregator.testing.access_tokens import make_token


@pytest.mark.parametrize(("text", "said"), [("50", "50"), ("100/60", "100/60"), ("050/1", "50")])
def test_a_rate_is_said_as_it_is_read(text: str, said: str) -> None:
    assert str(parse_rate(text, "x")) == said
    assert parse_rate(said, "x") == parse_rate(text, "x")


@pytest.mark.parametrize("text", ["", "0", "1/0", "1/", "/1", "1/86401", "1000001", "1.5", "٣"])
def test_what_is_no_rate_names_its_field(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"^--rate-limit: must be <requests> or"):
        parse_rate(text, "--rate-limit")
    with pytest.raises(InvalidValue, match=r"^rate: must be"):
        Rate(0)


@pytest.mark.parametrize("quota", [0, -1, 10**9 + 1, 1.5, True, "5"])
def test_a_quota_is_a_number_of_requests(quota: object) -> None:
    with pytest.raises(InvalidValue, match=r"^daily_quota: must be a whole number from 1"):
        make_token("a", daily_quota=quota)
