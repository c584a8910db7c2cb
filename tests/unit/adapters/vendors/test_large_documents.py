"""Documents too large for memory say the same as those that are read as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import pytest

from order_aggregator.adapters.vendors import feed, feed_rows
from order_aggregator.adapters.vendors.feed import FeedFormat, FeedReader
from order_aggregator.domain.errors import InvalidSnapshot
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.vendor_sync import Snapshot
from order_aggregator.testing.shop import whole

VENDOR = Vendor(id="acme", name="Acme")
ROWS = [{"product_id": f"p{n:03}", "quantity": n, "name": f"P {n}"} for n in range(300)]
XML_ROWS = "".join(
    f'<item sku="{row["product_id"]}"><q>{row["quantity"]}</q></item>' for row in ROWS
)


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def switch() -> None:
        monkeypatch.setattr(feed, "LARGE", 10)
        monkeypatch.setattr(feed_rows, "IN_MEMORY", 10)

    return switch


def _read(text: str, form: FeedFormat) -> Snapshot:
    reader = FeedReader(form, VENDOR)
    with reader.read(BytesIO(text.encode())) as page:
        assert page.rows == len(ROWS)
        assert page.look_up("none") == []
    assert reader.finish()
    return whole(reader.report(None, ""))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (json.dumps(ROWS), FeedFormat(kind="json")),
        (
            json.dumps({"data": {"rows": ROWS, "at": "2026-01-01T00:00:00Z"}}),
            FeedFormat(kind="json", items="data.rows", as_of="data.at"),
        ),
        (
            json.dumps(
                {"rows": [{"product_id": r["product_id"]} for r in ROWS], "quantity": 7, "x": []}
            ),
            FeedFormat(kind="json", items="rows"),
        ),
        (
            json.dumps({"groups": [{"rows": ROWS[:100]}, {"rows": ROWS[100:]}]}),
            FeedFormat(kind="json", items="groups.rows"),
        ),
        (
            f'<feed at="2026-01-01T00:00:00Z"><channel>{XML_ROWS}</channel></feed>',
            FeedFormat(
                kind="xml", items="channel.item", product_id="@sku", quantity="q", as_of="@at"
            ),
        ),
        (
            "product_id,quantity\n" + "".join(f"{r['product_id']},1\n" for r in ROWS),
            FeedFormat(kind="csv"),
        ),
        ("\n".join(map(json.dumps, ROWS)), FeedFormat(kind="ndjson")),
    ],
    ids=["list", "nested", "around", "lists in lists", "xml", "csv", "ndjson"],
)
def test_a_large_document_says_the_same(
    text: str, form: FeedFormat, everything_is_large: Callable[[], None]
) -> None:
    whole = _read(text, form)
    everything_is_large()
    large = _read(text, form)
    assert not isinstance(large.reports, tuple)
    assert tuple(large.reports) == tuple(large.reports) == whole.reports
    assert len(large.reports) == len(whole.reports) == len(ROWS)
    assert (large.units, large.as_of, large.stated) == (whole.units, whole.as_of, whole.stated)
    assert next(iter(whole.reports)) in large.reports


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('[{"product_id": "a", "quantity": 1}, {"product_id"', FeedFormat(kind="json")),
        ('[{"product_id": "a", "quantity": 1}] and more', FeedFormat(kind="json")),
        ('{"rows": {"a": 1}}', FeedFormat(kind="json", items="rows")),
        ('{"other": [12345678]}', FeedFormat(kind="json", items="rows")),
        ("<a><b><c>1</c></b>", FeedFormat(kind="xml", items="b", product_id="c")),
        (
            '<!DOCTYPE a [<!ENTITY x "y">]><a><b>&x;</b></a>',
            FeedFormat(kind="xml", items="b", product_id="c"),
        ),
    ],
    ids=["cut", "more", "no list", "elsewhere", "open", "entities"],
)
def test_what_is_broken_is_refused(
    text: str, form: FeedFormat, everything_is_large: Callable[[], None]
) -> None:
    everything_is_large()
    with pytest.raises(InvalidSnapshot):
        _read(text, form)


def test_products_that_repeat_are_found_in_any_number_of_rows(
    everything_is_large: Callable[[], None],
) -> None:
    everything_is_large()
    lines = [f"p{n % 150:03},{n % 150}" for n in range(300)] + ["p007,8"]
    reader = FeedReader(FeedFormat(kind="csv"), VENDOR)
    with reader.read(BytesIO("\n".join(["product_id,quantity", *lines]).encode())):
        pass
    assert reader.finish()
    snapshot = whole(reader.report(None, ""))
    assert len(snapshot.reports) == 149
    [rejection] = snapshot.rejections
    assert str(rejection) == (
        "line 302, quantity: is at odds with line 9, which has the same product, but is '8'"
    )
    assert "150 rows that say again what another said" in snapshot.findings
