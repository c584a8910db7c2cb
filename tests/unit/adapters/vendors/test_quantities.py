"""Quantities as vendors write them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.adapters.vendors.quantities import STYLES, Quantities
from order_aggregator.domain.errors import InvalidValue


@pytest.mark.parametrize(
    ("style", "text", "units"),
    [
        ("1234.5", "1250", "1250"),
        ("1234.5", "1250.75", "1250.75"),
        ("1234.5", "10.", "10"),
        ("1234,5", "6,88", "6.88"),
        ("1,234.5", "1,250", "1250"),
        ("1,234.5", "1,234,567.5", "1234567.5"),
        ("1,234.5", "1250", "1250"),
        ("1.234,5", "1.250", "1250"),
        ("1.234,5", "1.250,5", "1250.5"),
        ("1 234,5", "1\u00a0250", "1250"),
        ("1 234,5", "1\u202f250,5", "1250.5"),
        ("1'234.5", "1'250", "1250"),
        ("1234.5", ">5", "5"),
        ("1234.5", ">= 5", "5"),
        ("1234.5", "\u2265 5", "5"),
        ("1,234.5", "1,000 +", "1000"),
        ("1234.5", "-3", "-3"),
        ("1234.5", " 7\t", "7"),
    ],
)
def test_a_number_is_read_by_its_style(style: str, text: str, units: str) -> None:
    assert Quantities(style).read(text) == Decimal(units)


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("1234.5", "1,250"),
        ("1,234.5", "1,25"),
        ("1,234.5", "1,2500"),
        ("1.234,5", "1.25"),
        ("1234,5", "6.88"),
        ("1234.5", "5+5"),
        ("1234.5", ">"),
        ("1234.5", "+"),
        ("1234.5", "~5"),
        ("1234.5", "in stock"),
    ],
)
def test_what_could_mean_something_else_is_no_number(style: str, text: str) -> None:
    with pytest.raises(InvalidValue, match="must be a number of units"):
        Quantities(style).read(text)


def test_words_stand_for_units_in_whatever_case() -> None:
    quantities = Quantities(words={"In stock": 1, "call  us": 0})
    assert quantities.read("IN  STOCK") == 1
    assert quantities.read(" Call us ") == 0


@pytest.mark.parametrize("nothing", ["", "  ", "\u00a0", None])
def test_nothing_is_said(nothing: object) -> None:
    assert Quantities().read(nothing) is None


@pytest.mark.parametrize("value", [5, 5.0, 0, -2])
def test_a_number_of_json_is_what_it_is(value: float) -> None:
    assert Quantities().read(value) == value


@given(st.integers(0, 10**9), st.sampled_from(sorted(STYLES)))
def test_every_style_reads_what_is_written_in_it(number: int, style: str) -> None:
    thousands, _ = STYLES[style]
    assert Quantities(style).read(f"{number:,}".replace(",", thousands)) == number


@given(st.text(max_size=12), st.sampled_from(sorted(STYLES)))
def test_any_text_is_read_or_refused(text: str, style: str) -> None:
    try:
        units = Quantities(style).read(text)
    except InvalidValue:
        return
    assert units is None or Decimal(units).is_finite()
