"""What the pages of the dashboard show."""

from __future__ import annotations

import re
from html import escape

import pytest

from api_under_test import ApiUnderTest
from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.domain.vendor_sync import Snapshot, StockReport, VendorTerms
from order_aggregator.testing.process_registry import make_process
from order_aggregator.testing.shop import Feed, lines, next_order_id, snapshot
from order_aggregator.testing.shop_work import NOW, work
from order_aggregator.testing.webhooks import make_webhook

HOSTILE = "<script>alert('ü')</script>"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


def show(api: ApiUnderTest, path: str = "", **query: str) -> str:
    answer = api.client.get(f"/dashboard{path}", query_string=query)
    assert (answer.status_code, answer.mimetype) == (200, "text/html"), answer.text
    return answer.text


def listed(text: str) -> list[str]:
    """What the first column of each row says."""
    rows = re.findall(r'<tr><th scope="row"[^>]*>(.*?)</th>', text)
    return [re.sub(r"<[^>]+>", "", row).strip() for row in rows]


@pytest.mark.parametrize(
    "path", ["", "/orders", "/login", "/nowhere", "/static/style.css", "/events", "/orders/x"]
)
def test_nothing_may_run_but_our_own_script(untouched: ApiUnderTest, path: str) -> None:
    with untouched.client.get(f"/dashboard{path}") as answer:
        assert answer.headers.getlist("Content-Security-Policy") == [POLICY]
        assert answer.headers.getlist("Referrer-Policy") == ["same-origin"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if answer.mimetype == "text/html":
            assert answer.headers["Cache-Control"] == "no-store"
            assert not re.search(
                r"<script(?! src=)|<style|\son\w+=|\sstyle=", answer.get_data(as_text=True)
            )


def test_what_is_wrong_comes_with_what_to_do_and_where(api: ApiUnderTest) -> None:
    text = show(api)
    assert "no worker is alive" in text
    api.shop.storage.processes.note(make_process("a"), NOW)
    told = Feed(snapshot("bits/co", {"BOLT": 0}, api.shop.clock.now()), VendorTerms())
    api.shop.sync_vendor(told)
    text = show(api)
    assert "vendor bits/co waits for approval" in text
    assert 'href="/dashboard/vendors/bits/co"' in text


def test_all_is_well_where_nothing_is_wrong(api: ApiUnderTest) -> None:
    api.shop.storage.processes.note(make_process("a"), NOW)
    assert "Everything is well." in show(api)


def test_vendors_and_their_rejections_are_shown(untouched: ApiUnderTest) -> None:
    assert listed(show(untouched, "/vendors")) == ["Vendor acme", "Vendor bits/co"]
    assert "Vendor bits/co" in show(untouched, "/vendors/bits/co")


def test_products_are_listed_by_what_is_missing_and_searched(api: ApiUnderTest) -> None:
    api.shop.accepted(NUT=4)
    text = show(api, "/products")
    assert listed(text)[0] == "Product NUT"
    assert listed(show(api, "/products", q="bolt")) == ["Product BOLT"]
    assert "No product is like that." in show(api, "/products", q="nothing")


def test_a_product_has_its_vendors_and_its_movements(untouched: ApiUnderTest) -> None:
    text = show(untouched, "/products/BOLT")
    assert "Vendor bits/co" in text
    assert "+10" in text
    assert (
        "Product a/b" in untouched.client.get("/dashboard/products/a/b//c%20%3F%23%2541%C3%BC").text
    )


def test_orders_are_found_by_status_id_reference_and_key(api: ApiUnderTest) -> None:
    order = api.shop.accepted("key-1", BOLT=2)
    other = PlaceOrder(order_id=next_order_id(), lines=lines({"BOLT": 1}), reference="Ref 7")
    api.shop.place(other)
    assert listed(show(api, "/orders")) == [str(other.order_id), str(order.id)]
    assert listed(show(api, "/orders", status="fulfilled")) == []
    assert listed(show(api, "/orders", q="key-1")) == [str(order.id)]
    assert listed(show(api, "/orders", q="Ref 7")) == [str(other.order_id)]
    found = api.client.get("/dashboard/orders", query_string={"q": str(order.id)})
    assert found.location == f"/dashboard/orders/{order.id}"
    assert listed(show(api, "/orders", q=NOBODY)) == []


def test_an_order_says_what_happened_and_what_it_waits_for(api: ApiUnderTest) -> None:
    order = api.shop.accepted(BOLT=2)
    text = show(api, f"/orders/{order.id}")
    assert "order.reserved" in text
    assert "waits for its message to be sent" in text
    assert f"/dashboard/orders/{order.id}/cancel" in text
    assert f"/dashboard/orders/{order.id}/return" not in text
    api.shop.fulfil(order)
    text = show(api, f"/orders/{order.id}")
    assert "order.fulfilled" in text
    assert f"/dashboard/orders/{order.id}/cancel" not in text
    assert f"/dashboard/orders/{order.id}/return" in text


def test_a_list_is_had_in_parts(api: ApiUnderTest) -> None:
    for _ in range(3):
        api.stock("acme", {f"p{n}": n + 1 for n in range(60)})
    first, second = (show(api, "/products", q="p", page=str(n)) for n in (1, 2))
    assert len(listed(first)) == 50
    assert re.search(r'rel="next" href="/dashboard/products[^"]*page=2', first)
    assert 'rel="prev"' in second
    assert not set(listed(first)) & set(listed(second))


def test_messages_are_had_in_parts(api: ApiUnderTest) -> None:
    bus = api.shop.bus
    bus.publish([b"%d" % n for n in range(60)])
    with bus.consume() as consumer:
        consumer.park([(each, "a bug") for each in consumer.receive(100, 1)])
    ids = [letter.id for letter in bus.dead_letters(100)]
    first, second = show(api, "/messages"), show(api, "/messages", after=ids[49])
    assert f'rel="next" href="/dashboard/messages?after={ids[49]}"' in first
    assert 'rel="first" href="/dashboard/messages"' in second
    assert 'rel="next"' not in second
    assert (listed(first), listed(second)) == (ids[:50], ids[50:])


def test_what_others_name_is_text(api: ApiUnderTest) -> None:
    vendor = Vendor(id="evil", name=HOSTILE)
    report = StockReport(product_id="<b>", name=HOSTILE, quantity=5)
    told = Snapshot(vendor=vendor, as_of=api.shop.clock.now(), stated=True, reports=(report,))
    api.shop.sync_vendor(Feed(told))
    command = PlaceOrder(
        order_id=next_order_id(), lines=lines({"<b>": 1}), reference=HOSTILE, idempotency_key="<i>"
    )
    api.shop.place(command)
    api.shop.record_failures({command.order_id: 1})
    hook = make_webhook("01890a5d-ac96-774b-bcce-b302099a8057", url="https://x.example/?<script>")
    work(api.shop.storage, lambda uow: uow.webhooks.add(hook))
    work(api.shop.storage, lambda uow: uow.webhooks.note_problem(hook.id, HOSTILE))
    order = f"/orders/{command.order_id}"
    paths = ["", "/vendors", "/vendors/evil", "/products", "/products/%3Cb%3E", "/orders", order]
    for path in [*paths, "/webhooks", f"/webhooks/{hook.id}", "/messages", "/vendors/evil/sync"]:
        text = show(api, path)
        assert "<b>" not in text, path
        assert "<i>" not in text, path
        assert "<script>" not in text, path
    assert escape(HOSTILE) in show(api, "/products/%3Cb%3E").replace("&#34;", "&quot;").replace(
        "&#39;", "&#x27;"
    )
    for query in ("/orders?q=<script>", "/products?q=<script>", "/<script>", "/orders?status=<b>"):
        text = api.client.get(f"/dashboard{query}").text
        assert "<script>" not in text, query
        assert "<b>" not in text, query


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/orders/nonsense", 404),
        (f"/orders/{NOBODY}", 404),
        ("/vendors/nobody", 404),
        ("/products/nothing", 404),
        (f"/webhooks/{NOBODY}", 404),
        ("/orders?page=0", 422),
        ("/orders?page=x", 422),
        ("/orders?page=²", 422),
        (f"/products?page={'9' * 30}", 422),
        ("/orders?status=lost", 422),
        ("/orders?q=" + "x" * 256, 422),
        ("/orders?q=%00", 422),
        ("/products?q=%FF", 200),
        ("/orders?page=1000000", 200),
    ],
)
def test_what_is_not_there_or_wrong_has_a_page_of_its_own(
    untouched: ApiUnderTest, path: str, status: int
) -> None:
    answer = untouched.client.get(f"/dashboard{path}")
    assert (answer.status_code, answer.mimetype) == (status, "text/html")


def test_while_the_database_is_away_a_page_says_so(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StorageUnavailable("no route")

    monkeypatch.setattr(api.shop.storage.read_model, "orders", away)
    answer = api.client.get("/dashboard/orders")
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "Storage unavailable" in answer.text
    assert answer.headers["Retry-After"]


def test_a_bug_says_nothing_of_itself(api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.shop.storage.read_model, "orders", lambda *_: 1 / 0)
    answer = api.client.get("/dashboard/orders")
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "division" not in answer.text
