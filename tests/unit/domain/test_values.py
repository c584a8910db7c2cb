"""The rules for plain values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.domain import values
from order_aggregator.domain.errors import InvalidValue
from order_aggregator.domain.order import OrderLine
from order_aggregator.domain.stock import Product, Vendor
from order_aggregator.domain.values import (
    MAX_ID_LENGTH,
    MAX_QUANTITY,
    check_aware,
    check_quantity,
    check_text,
    clean_id,
)
from order_aggregator.domain.vendor_sync import StockReport


class _WithoutOffset(tzinfo):
    def utcoffset(self, _moment: datetime | None) -> timedelta | None:
        return None

    def dst(self, _moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _moment: datetime | None) -> str | None:
        return None


@pytest.mark.parametrize(
    "text", ["a", "ä", "a b", "日本", "🍎", "x" * MAX_ID_LENGTH, "'; --", "%s"]
)
def test_text_of_printable_characters_is_accepted(text: str) -> None:
    check_text(text, "field")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * (MAX_ID_LENGTH + 1),
        "a\x00b",
        "\n",
        "tab\t",
        "\x1b[0m",
        "\x7f",
        "\ud800",
        "a\udfff",
    ],
)
def test_text_that_cannot_be_stored_or_is_too_short_or_long_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        check_text(text, "field")


@pytest.mark.parametrize("value", [None, 1, True, b"bytes", ["list"], object()])
def test_text_must_be_a_string(value: object) -> None:
    with pytest.raises(InvalidValue, match="must be a string"):
        check_text(value, "field")


@given(st.text())
def test_text_is_accepted_exactly_when_utf8_without_control_characters_can_hold_it(
    text: str,
) -> None:
    control = any(ord(character) < 32 or ord(character) == 127 for character in text)
    surrogate = any(0xD800 <= ord(character) <= 0xDFFF for character in text)
    expected = 1 <= len(text) <= MAX_ID_LENGTH and not control and not surrogate
    try:
        check_text(text, "field")
    except InvalidValue:
        assert not expected
    else:
        assert expected
        text.encode()


@pytest.mark.parametrize("value", [1, 2, MAX_QUANTITY])
def test_quantities_are_whole_numbers_from_one_up(value: int) -> None:
    check_quantity(value, "field")


@pytest.mark.parametrize(
    "value",
    [0, -1, MAX_QUANTITY + 1, 2**31, 2**63, 2**64, True, False, 1.0, 1.5, float("nan"), "1", None],
)
def test_other_quantities_are_refused(value: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        check_quantity(value, "lines.0.quantity")
    assert caught.value.field == "lines.0.quantity"


def test_a_stock_level_may_be_zero_but_not_below() -> None:
    check_quantity(0, "field", minimum=0)
    with pytest.raises(InvalidValue):
        check_quantity(-1, "field", minimum=0)
    with pytest.raises(InvalidValue):
        check_quantity(False, "field", minimum=0)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=9))])
def test_a_moment_with_any_utc_offset_is_accepted(zone: timezone) -> None:
    check_aware(datetime(2026, 1, 1, tzinfo=zone), "field")


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 1, tzinfo=None),  # noqa: DTZ001 - that is the point
        datetime(2026, 1, 1, tzinfo=_WithoutOffset()),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-1))),
        "2026-01-01T00:00:00Z",
        None,
        0,
    ],
)
def test_a_moment_without_an_offset_or_a_form_in_utc_is_refused(value: object) -> None:
    with pytest.raises(InvalidValue):
        check_aware(value, "field")


@pytest.mark.parametrize(
    "spelling",
    ["caf\u00e9", "cafe\u0301", " caf\u00e9", "caf\u00e9\u00a0 ", "\u3000cafe\u0301\u2009"],
)
def test_an_id_is_the_same_however_it_is_spelt(spelling: str) -> None:
    assert clean_id(spelling) == "caf\u00e9"
    assert OrderLine(product_id=spelling, quantity=1).product_id == "caf\u00e9"
    assert StockReport(product_id=spelling, quantity=1).product_id == "caf\u00e9"
    assert Product(id=spelling, name="Caf\u00e9").id == "caf\u00e9"
    assert Vendor(id=spelling, name="Caf\u00e9").id == "caf\u00e9"


def test_case_and_what_is_within_an_id_count() -> None:
    assert [clean_id(text) for text in ("a B", "A b", "0a")] == ["a B", "A b", "0a"]
    assert clean_id(7) == 7


@pytest.mark.parametrize(
    "text",
    ["a\u200bb", "a\u00adb", "a\u0085b", "a\u202eb", "a\ufeff", "a\t", "\u200ba", " ", "\u00a0"],
)
def test_what_nobody_sees_is_no_part_of_an_id(text: str) -> None:
    with pytest.raises(InvalidValue):
        OrderLine(product_id=text, quantity=1)


@pytest.fixture
def folding() -> Iterator[None]:
    values.fold_ids(fold=True)
    yield
    values.fold_ids(fold=False)


@pytest.mark.usefixtures("folding")
def test_ids_that_differ_in_case_alone_may_be_the_same() -> None:
    assert values.clean_id(" ABC-1 ") == "abc-1"
    # Composed, decomposed, and in capitals; and a letter that has no capital of its own.
    assert {values.clean_id(text) for text in ("É", "E\u0301", "é", "e\u0301")} == {"é"}
    assert values.clean_id("Straße") == values.clean_id("STRASSE")
    assert OrderLine(product_id="ABC", quantity=1).product_id == "abc"
    assert Product(id="ABC", name="ABC").name == "ABC"


def test_case_counts_unless_told_otherwise() -> None:
    assert values.clean_id(" ABC-1 ") == "ABC-1"
