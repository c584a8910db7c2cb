"""Feeds of several pages, and requests as vendors' APIs want them, by the vendors file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feed_server import Answer, FeedServer
from order_aggregator.adapters.vendors.config import vendors_from_file
from order_aggregator.domain.errors import InvalidSnapshot, InvalidValue, VendorUnavailable
from order_aggregator.domain.ports.vendor_gateway import VendorGateway
from order_aggregator.testing.shop import whole

FEEDS = Path(__file__).parents[1] / "feeds"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def _gateway(folder: Path, server: FeedServer, **told: Any) -> VendorGateway:
    entry = {"id": "acme", "name": "Acme", "type": "http", "format": "json", "url": server.url()}
    file = folder / "vendors.json"
    file.write_text(json.dumps([entry | told]))
    [gateway] = vendors_from_file(file)
    return gateway


def _stock(gateway: VendorGateway) -> dict[str, int]:
    return {report.product_id: report.quantity for report in whole(gateway.fetch()).reports}


def _page(name: str) -> Answer:
    return Answer((FEEDS / name).read_bytes())


def test_the_next_page_stands_in_the_link_header(server: FeedServer, tmp_path: Path) -> None:
    link = {"Link": f'<{server.url("/stock?page=2")}>; rel="next", <{server.url("/x")}>; rel="x"'}
    server.serve("/stock", Answer((FEEDS / "19-woo-rest-page1.json").read_bytes(), headers=link))
    server.serve("/stock?page=2", _page("19-woo-rest-page2.json"))
    fields = {"product_id": "sku", "quantity": "stock_quantity"}
    gateway = _gateway(tmp_path, server, fields=fields)
    assert _stock(gateway) == {"WC-1": 5, "WC-2": 8, "WC-3": 3, "WC-4": 40}


def test_the_next_page_stands_deep_in_the_document(server: FeedServer, tmp_path: Path) -> None:
    server.serve("/stock", _page("20-bigcommerce-page1.json"))
    server.serve("/stock?page=2&limit=2", _page("20-bigcommerce-page2.json"))
    fields = {
        "product_id": "sku",
        "quantity": "inventory_level",
        "items": "data",
        "next_page": "meta.pagination.links.next",
    }
    assert _stock(_gateway(tmp_path, server, fields=fields)) == {"BC-1": 45, "BC-2": 0, "BC-3": 9}


def test_the_key_of_the_next_page_has_a_dot(server: FeedServer, tmp_path: Path) -> None:
    server.serve("/stock", _page("23-odata-page1.json"))
    server.serve("/odata?page=2", _page("23-odata-page2.json"))
    fields = {
        "product_id": "number",
        "quantity": "inventory",
        "items": "value",
        "next_page": "@odata.nextLink",
    }
    gateway = _gateway(tmp_path, server, fields=fields)
    assert _stock(gateway) == {"1896-S": 4, "1900-S": 9, "1906-S": 7}


OFFSET = {"by": "offset", "parameter": "offset", "total": "paging.total"}
OFFSET_FIELDS = {"product_id": "sku", "quantity": "qty", "items": "result"}


def test_pages_by_offset_until_the_total(server: FeedServer, tmp_path: Path) -> None:
    server.serve("/stock", _page("22-offset-page1.json"))
    server.serve("/stock?offset=2", _page("22-offset-page2.json"))
    gateway = _gateway(tmp_path, server, fields=OFFSET_FIELDS, paging=OFFSET)
    assert _stock(gateway) == {"P-1": 10, "P-2": 20, "P-3": 30, "P-4": 40}
    assert server.paths == ["/stock", "/stock?offset=2"]


def test_fewer_rows_than_the_total_are_not_the_whole(server: FeedServer, tmp_path: Path) -> None:
    server.serve("/stock", _page("22-offset-page1.json"))
    server.serve("/stock?offset=2", Answer(b'{"result": [], "paging": {"total": 4}}'))
    gateway = _gateway(tmp_path, server, fields=OFFSET_FIELDS, paging=OFFSET)
    with pytest.raises(VendorUnavailable, match="while it is read"):
        whole(gateway.fetch())


def test_pages_by_number_until_an_empty_one(server: FeedServer, tmp_path: Path) -> None:
    server.serve("/stock?size=1", Answer(b'[{"product_id": "a", "quantity": 1}]'))
    server.serve("/stock?size=1&page=2", Answer(b'[{"product_id": "b", "quantity": 2}]'))
    server.serve("/stock?size=1&page=3", Answer(b"[]"))
    paging = {"by": "page", "parameter": "page"}
    gateway = _gateway(tmp_path, server, url=server.url("/stock?size=1"), paging=paging)
    assert _stock(gateway) == {"a": 1, "b": 2}


def test_a_server_that_does_not_know_of_pages_is_noticed(
    server: FeedServer, tmp_path: Path
) -> None:
    for path in ("/stock", "/stock?page=2"):
        server.serve(path, Answer(b'[{"product_id": "a", "quantity": 1}]'))
    server.serve("/stock?page=3", Answer(b"[]"))
    gateway = _gateway(tmp_path, server, paging={"by": "page", "parameter": "page"})
    with pytest.raises(VendorUnavailable, match="from page to page"):
        whole(gateway.fetch())


def test_graphql_is_posted_with_the_cursor_in_its_variables(
    server: FeedServer, tmp_path: Path
) -> None:
    first = json.loads((FEEDS / "18-shopify-graphql.json").read_text())
    page_info = first["data"]["inventoryItems"]["pageInfo"]
    last = {"data": {"inventoryItems": {"edges": [], "pageInfo": {"hasNextPage": False}}}}
    server.serve("/stock", Answer(json.dumps(first).encode()), Answer(json.dumps(last).encode()))
    gateway = _gateway(
        tmp_path,
        server,
        fields={
            "items": "data.inventoryItems.edges.node",
            "product_id": "sku",
            "quantity": "inventoryLevels.edges.node.quantities.quantity",
        },
        body={"query": "query($after: String) { … }", "variables": {"first": 2}},
        paging={
            "by": "cursor",
            "cursor": "data.inventoryItems.pageInfo.endCursor",
            "more": "data.inventoryItems.pageInfo.hasNextPage",
            "parameter": "variables.after",
        },
    )
    assert _stock(gateway) == {"TEE-S": 15, "TEE-M": 0}
    variables = [json.loads(body)["variables"] for body in server.bodies]
    assert variables == [{"first": 2}, {"first": 2, "after": page_info["endCursor"]}]


def test_a_token_is_fetched_with_the_clients_credentials(
    server: FeedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_SECRET", "s3cret")
    (tmp_path / "id").write_text("us\n")
    token = {"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600}
    server.serve("/token", Answer(json.dumps(token).encode()))
    server.serve("/stock", Answer(b"[]"))
    auth = {
        "type": "oauth2",
        "token_url": server.url("/token"),
        "client_id": {"file": "id"},
        "client_secret": {"env": "ACME_SECRET"},
        "scope": "stock",
    }
    gateway = _gateway(tmp_path, server, auth=auth)
    assert "s3cret" not in repr(gateway)
    assert whole(gateway.fetch()).reports == ()
    assert server.paths == ["/token", "/stock"]
    assert server.requests[1][1]["Authorization"] == "Bearer t0ken"
    assert b"grant_type=client_credentials" in server.bodies[0]


def test_a_token_that_cannot_be_had_is_the_vendors_fault(
    server: FeedServer, tmp_path: Path
) -> None:
    server.serve("/token", Answer(b'{"error": "invalid_client"}', 401))
    auth = {
        "type": "oauth2",
        "token_url": server.url("/token"),
        "client_id": "another",
        "client_secret": "s3cret",
    }
    with pytest.raises(VendorUnavailable) as caught:
        whole(_gateway(tmp_path, server, auth=auth).fetch())
    assert "s3cret" not in str(caught.value)


def test_name_and_password_are_sent(server: FeedServer, tmp_path: Path) -> None:
    server.serve("/stock", Answer(b"[]"))
    auth = {"type": "basic", "user": "me", "password": "s3cret"}
    whole(_gateway(tmp_path, server, auth=auth).fetch())
    assert server.requests[0][1]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"paging": []}, "paging: must be an object"),
        ({"paging": {}}, "paging.by: is missing"),
        ({"paging": {"by": "luck"}}, "paging.by: must be 'link', "),
        ({"paging": {"by": "page"}}, "paging.parameter: must have 1 to 100"),
        ({"paging": {"by": "cursor", "parameter": "c"}}, "paging.cursor: must have 1 to 100"),
        ({"body": "x"}, "body: must be an object"),
        ({"headers": {"X": {"env": "NO_SUCH_NAME"}}}, "headers.X: the environment has no NO_SUCH"),
        ({"headers": {"X": {"file": "nowhere"}}}, "headers.X: nowhere cannot be read"),
        ({"headers": {"X": {"env": "A", "file": "b"}}}, 'headers.X: must be text, {"env": NAME}'),
        ({"auth": {}}, 'auth: must have a type, "basic" or "oauth2"'),
        ({"auth": {"type": "basic", "user": "me"}}, "auth: must have a type"),
        ({"auth": {"type": "oauth2"}}, "auth: must have token_url, client_id, client_secret"),
    ],
)
def test_mistakes_name_the_field(
    server: FeedServer, tmp_path: Path, told: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        _gateway(tmp_path, server, **told)
    assert problem in str(caught.value)


def test_the_next_address_stays_with_the_vendor(server: FeedServer, tmp_path: Path) -> None:
    link = {"Link": '<http://127.0.0.1:9/>; rel="next"'}
    server.serve("/stock", Answer(b"[]", headers=link))
    with pytest.raises(InvalidSnapshot, match="leads away from the configured"):
        whole(_gateway(tmp_path, server).fetch())
