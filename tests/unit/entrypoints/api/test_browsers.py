"""What browsers are told."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import attrs
import pytest
from flask.testing import FlaskClient

from api_under_test import PREFIX, ApiUnderTest
from order_aggregator.entrypoints.api.app import create_app

SHOP = "https://shop.example"
ORDER = {"product_id": "BOLT", "quantity": 1}


@pytest.mark.parametrize(
    "path", ["/healthz", "/metrics", f"{PREFIX}/stock", f"{PREFIX}/nothing", f"{PREFIX}/swagger"]
)
def test_each_answer_says_what_it_is_not_for(api: ApiUnderTest, path: str) -> None:
    headers = api.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    [policy] = headers.getlist("Content-Security-Policy")
    assert "frame-ancestors 'none'" in policy
    assert policy.startswith("default-src 'self'" if "swagger" in path else "default-src 'none'")


def test_refusals_say_so_too(api: ApiUnderTest) -> None:
    placed, refused = api.order(ORDER), api.order(ORDER | {"quantity": 1000})
    assert (placed.status_code, refused.status_code) == (202, 409)
    for answer in (placed, refused):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_swagger_ui_may_run_its_own_script_and_no_other(api: ApiUnderTest) -> None:
    page = api.client.get(f"{PREFIX}/swagger")
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    scripts = page.headers["Content-Security-Policy"].split("; ")[1]
    assert scripts == f"script-src 'self' 'sha256-{digest}'"


@pytest.fixture
def shared(api: ApiUnderTest) -> FlaskClient:
    """An API that scripts of one other site may call."""
    return create_app(attrs.evolve(api.services, cors_origins=(SHOP,))).test_client()


def preflight(client: FlaskClient, origin: str) -> dict[str, str]:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    answer = client.options(f"{PREFIX}/order", headers=asked)
    assert answer.status_code == 200
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


def test_a_script_of_a_named_site_may_call(shared: FlaskClient) -> None:
    allowed = preflight(shared, SHOP)
    assert allowed["Access-Control-Allow-Origin"] == SHOP
    assert "POST" in allowed["Access-Control-Allow-Methods"]
    assert "authorization" in allowed["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in allowed
    placed = shared.post(f"{PREFIX}/order", json=ORDER, headers={"Origin": SHOP})
    assert placed.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Location" in placed.headers["Access-Control-Expose-Headers"]


def test_those_of_others_may_not(api: ApiUnderTest, shared: FlaskClient) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(shared, "https://shop.example.evil")
    assert preflight(api.client, SHOP) == {}
