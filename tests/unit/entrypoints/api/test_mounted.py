"""The application below a path: mounted in another one, or behind a proxy."""

from __future__ import annotations

from urllib.parse import urljoin

import attrs
import pytest
from flask import Flask
from flask.testing import FlaskClient

from api_under_test import ApiUnderTest
from order_aggregator.domain.errors import InvalidValue
from order_aggregator.entrypoints.api.app import create_app, mount

ORDER = {"product_id": "BOLT", "quantity": 1}


@pytest.fixture
def host() -> FlaskClient:
    """Somebody's application, with ours below /shop/orders."""
    host = Flask("host")
    host.add_url_rule("/hello", view_func=lambda: "hello")
    mount(ApiUnderTest().app, host, "/shop/orders")
    return host.test_client()


def test_both_applications_respond(host: FlaskClient) -> None:
    assert host.get("/hello").text == "hello"
    assert host.get("/shop/orders/healthz").json == {"status": "ok"}
    assert host.get("/healthz").status_code == 404


def test_locations_lead_below_the_path(host: FlaskClient) -> None:
    placed = host.post("/shop/orders/v1/api/order", json=ORDER)
    assert placed.headers["Location"].startswith("/shop/orders/v1/api/order/")
    assert host.get(placed.headers["Location"]).get_json()["id"] == placed.get_json()["id"]
    bare = host.post("/shop/orders/order", json=ORDER, follow_redirects=True)
    assert bare.status_code == 202


def test_swagger_finds_everything_below_the_path(host: FlaskClient) -> None:
    page = "/shop/orders/v1/api/swagger"
    text = host.get(page).text
    assert "/shop/orders/v1/api/openapi.json" in text
    script = next(line.split('"')[1] for line in text.splitlines() if "<script src" in line)
    with host.get(urljoin(page, script)) as asset:
        assert asset.status_code == 200
    document = host.get("/shop/orders/v1/api/openapi.json").get_json()
    [server] = document["servers"]
    root = urljoin("/shop/orders/v1/api/openapi.json", server["url"])
    assert root.rstrip("/") == "/shop/orders"


@pytest.mark.parametrize("path", ["", "shop", "/shop/"])
def test_a_path_is_one(path: str) -> None:
    with pytest.raises(InvalidValue, match="path: must begin with a slash"):
        mount(ApiUnderTest().app, Flask("host"), path)


FORWARDED = {"X-Forwarded-Prefix": "/shop", "X-Forwarded-Proto": "https"}


def test_a_trusted_proxy_says_where_it_serves_us() -> None:
    services = attrs.evolve(ApiUnderTest().services, trusted_proxies=1)
    client = create_app(services).test_client()
    placed = client.post("/v1/api/order", json=ORDER, headers=FORWARDED)
    assert placed.headers["Location"].startswith("/shop/v1/api/order/")


def test_nobody_else_is_believed() -> None:
    placed = ApiUnderTest().client.post("/v1/api/order", json=ORDER, headers=FORWARDED)
    assert placed.headers["Location"].startswith("/v1/api/order/")
