"""Who is let in, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from api_under_test import PREFIX, ApiUnderTest
from order_aggregator.domain.access import ORDERS_WRITE, token_text
from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.entrypoints.api import gate
from order_aggregator.entrypoints.api.access import principal_of

BOLT = {"product_id": "BOLT", "quantity": 1}


@pytest.fixture
def closed() -> Iterator[ApiUnderTest]:
    """An API that nobody has said to be open."""
    api = ApiUnderTest(is_open=False)
    yield api
    api.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of tokens is never older than a request."""
    for name in ("REFRESH_AFTER", "FRESH_FOR", "READ_EVERY"):
        monkeypatch.setattr(gate, name, 0.0)


def call(
    api: ApiUnderTest, token: str | None, path: str = "/stock", method: str = "GET", **more: Any
) -> TestResponse:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return api.client.open(PREFIX + path, method=method, headers=headers, **more)


def test_without_a_token_nobody_is_let_in(closed: ApiUnderTest) -> None:
    answer = call(closed, None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.get_json()["type"] == "urn:order-aggregator:problem:unauthenticated"
    assert closed.order(BOLT).status_code == 401
    assert closed.order_count() == 0


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Basic Zm9vOmJhcg==", "Bearer nonsense", "Bearer oat_", "oat_x", "é"],
)
def test_wrong_credentials_are_refused(closed: ApiUnderTest, header: str) -> None:
    answer = closed.client.get(PREFIX + "/stock", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_token_lets_in_where_its_scopes_reach(closed: ApiUnderTest) -> None:
    token = closed.token("stock:read")
    assert call(closed, token).status_code == 200
    lower = closed.client.get(PREFIX + "/stock", headers={"Authorization": f"bearer  {token}"})
    assert lower.status_code == 200
    refused = call(closed, token, "/order", "POST", json=BOLT)
    assert refused.status_code == 403
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
    assert refused.get_json()["detail"] == "needs the scope orders:write"
    assert closed.order_count() == 0


def test_a_vendor_is_let_in_to_its_own_pages(closed: ApiUnderTest) -> None:
    token = closed.token("vendor:bits/co")
    assert call(closed, token, "/vendor/bits/co").status_code == 200
    assert call(closed, token, "/vendor/bits/co/sync", "POST").status_code == 200
    refused = call(closed, token, "/vendor/acme/sync", "POST")
    assert refused.status_code == 403
    assert refused.get_json()["detail"] == "needs the scope vendor:acme"


def test_a_token_that_expires_or_is_revoked_lets_in_no_longer(
    closed: ApiUnderTest, at_once: None
) -> None:
    token = closed.token("stock:read", lifetime=timedelta(minutes=1))
    assert call(closed, token).status_code == 200
    closed.shop.pass_time(minutes=1)
    assert call(closed, token).status_code == 401
    other = closed.token("stock:read")
    assert call(closed, other).status_code == 200
    closed.shop.token_actions.revoke(closed.shop.storage.access_tokens.all()[-1].id)
    assert call(closed, other).status_code == 401


def test_an_expired_token_is_refused_though_it_is_remembered(closed: ApiUnderTest) -> None:
    token = closed.token("stock:read", lifetime=timedelta(minutes=1))
    assert call(closed, token).status_code == 200
    closed.shop.pass_time(minutes=1)
    assert call(closed, token).status_code == 401


@pytest.fixture
def reads(closed: ApiUnderTest, monkeypatch: pytest.MonkeyPatch) -> count[int]:
    """How often the tokens were read."""
    reads = count()
    directory = closed.shop.storage.access_tokens
    every = directory.all
    monkeypatch.setattr(directory, "all", lambda: every() if next(reads) >= 0 else [])
    return reads


def test_tokens_are_not_read_for_each_request(closed: ApiUnderTest, reads: count[int]) -> None:
    token = closed.token("stock:read")
    for _ in range(20):
        assert call(closed, token).status_code == 200
        assert call(closed, "oat_" + "0" * 36).status_code == 401
    assert next(reads) == 1


def test_a_new_token_is_known_though_others_were_just_read(closed: ApiUnderTest) -> None:
    for _ in range(3):
        assert call(closed, closed.token("stock:read")).status_code == 200


def test_whoever_makes_up_tokens_does_not_have_them_read_each_time(
    closed: ApiUnderTest, reads: count[int]
) -> None:
    def try_token(number: int) -> int:
        headers = {"Authorization": f"Bearer {token_text(f'{number:030}')}"}
        client = closed.app.test_client()
        return client.get(f"{PREFIX}/stock", headers=headers).status_code

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(try_token, range(40))) == {401}
    assert next(reads) <= 10


def test_while_the_storage_is_away_nobody_is_refused_for_good(
    closed: ApiUnderTest, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StorageUnavailable("no answer")

    monkeypatch.setattr(closed.shop.storage.access_tokens, "all", away)
    answer = call(closed, closed.token("stock:read"))
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert call(closed, None).status_code == 401


def test_an_open_api_is_open_until_a_token_is_made(api: ApiUnderTest, at_once: None) -> None:
    assert call(api, None).status_code == 200
    assert (
        api.client.get(PREFIX + "/stock", headers={"Authorization": "Basic x"}).status_code == 200
    )
    api.token("stock:read", of_demo=True)
    assert call(api, None).status_code == 200
    token = api.token("stock:read")
    assert call(api, None).status_code == 401
    assert call(api, token).status_code == 200
    api.shop.token_actions.revoke(api.shop.storage.access_tokens.all()[-1].id)
    assert call(api, None).status_code == 401


def test_a_token_that_is_shown_to_an_open_api_is_looked_at(api: ApiUnderTest) -> None:
    token = api.token("stock:read", of_demo=True)
    assert call(api, token).status_code == 200
    assert call(api, token, "/order", "POST", json=BOLT).status_code == 403
    assert call(api, "oat_" + "0" * 36).status_code == 401


def test_the_use_of_a_token_is_noted(closed: ApiUnderTest) -> None:
    token = closed.token("stock:read")
    call(closed, token)
    call(closed, token)
    closed.gate.close()
    [kept] = closed.shop.storage.access_tokens.all()
    assert kept.last_used_at == closed.shop.clock.now()


def test_what_is_open_to_all_asks_nobody(closed: ApiUnderTest) -> None:
    for path in ("/healthz", "/readyz", f"{PREFIX}/openapi.json", f"{PREFIX}/swagger"):
        assert closed.client.get(path).status_code == 200
    assert closed.client.get("/metrics").status_code == 401


def test_the_request_says_who_calls(closed: ApiUnderTest) -> None:
    with closed.app.test_request_context(
        headers={"Authorization": f"Bearer {closed.token('admin')}"}, path=f"{PREFIX}/stock"
    ) as context:
        assert principal_of(context.request) is None
        closed.app.preprocess_request()
        closed.app.dispatch_request()
        principal = principal_of(context.request)
    assert principal is not None
    assert (principal.name, principal.id[:6]) == ("test", "token:")


def entries(api: ApiUnderTest) -> list[tuple[str, str, str | None, int]]:
    page = api.shop.storage.audit_trail.page(0, 100)
    return [(x.actor_name, x.operation, x.target, x.status) for x in reversed(page.items)]


def test_what_operators_and_vendors_change_is_recorded(closed: ApiUnderTest) -> None:
    operator, vendor = closed.token("operate"), closed.token("vendor:acme")
    call(closed, operator, "/vendor/acme/disable", "POST")
    call(closed, operator, "/vendor/nobody/disable", "POST")
    call(closed, vendor, "/vendor/acme/sync", "POST")
    call(closed, operator, "/vendor")
    call(closed, vendor, "/vendor/bits/co/sync", "POST")
    call(closed, None, "/sync", "POST")
    assert entries(closed) == [
        ("test", "disable_vendor", "acme", 200),
        ("test", "disable_vendor", "nobody", 404),
        ("test", "sync_vendor", "acme", 200),
    ]
    [*_, first] = closed.shop.storage.audit_trail.page(0, 100).items
    assert first.actor.startswith("token:")
    assert (first.path, bool(first.request_id)) == (f"{PREFIX}/vendor/acme/disable", True)


def test_what_was_made_is_recorded_without_secrets(closed: ApiUnderTest) -> None:
    admin, operator = closed.token("admin"), closed.token("operate")
    url = "https://shop.example/hook?key=sesame"
    key = {"Idempotency-Key": "k"}
    headers = {"Authorization": f"Bearer {operator}"} | key
    hooks = [
        closed.client.post(
            PREFIX + "/webhook", json={"url": url, "types": ["order.*"]}, headers=headers
        ).get_json()["id"]
        for _ in range(2)
    ]
    call(closed, operator, "/webhook", "POST", json={"url": "x"})
    feed = {"name": "New", "type": "http", "format": "csv"}
    feed["url"] = "https://me:sesame@new.example:8443/stock.csv?key=sesame"
    assert call(closed, operator, "/vendor/new", "PUT", json=feed).status_code == 200
    product = {"name": "Bolts", "low_at": 0}
    assert call(closed, operator, "/product/BOLT", "PUT", json=product).status_code == 200
    page = closed.shop.storage.audit_trail.page(0, 100)
    made = (hooks[0], "https://shop.example order.*", 201)
    assert [(x.target, x.detail, x.status) for x in reversed(page.items)] == [
        made,
        made,
        (None, None, 422),
        ("new", "New: http https://…", 200),
        ("BOLT", "name Bolts, low_at 0, backorder_limit as usual", 200),
    ]
    entry = call(closed, admin, "/audit").get_json()[0]
    assert entry["detail"] == "name Bolts, low_at 0, backorder_limit as usual"


def test_what_buyers_do_is_told_by_their_orders(closed: ApiUnderTest) -> None:
    buyer, operator = closed.token("orders:write"), closed.token("operate")
    ids = [call(closed, buyer, "/order", "POST", json=BOLT).get_json()["id"] for _ in range(2)]
    assert call(closed, buyer, f"/order/{ids[0]}/cancel", "POST").status_code == 200
    assert entries(closed) == []
    assert call(closed, operator, f"/order/{ids[1]}/cancel", "POST").status_code == 200
    assert entries(closed) == [("test", "cancel_order", ids[1], 200)]
    assert call(closed, operator, "/order", "POST", json=BOLT).status_code == 403


def test_a_change_that_cannot_be_recorded_is_logged(
    closed: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = closed.token("operate")

    def away(*_args: object) -> None:
        raise StorageUnavailable("no answer")

    monkeypatch.setattr("order_aggregator.adapters.memory.audit_log.MemoryAuditLog.append", away)
    with capture_logs() as logs:
        assert call(closed, token, "/vendor/acme/disable", "POST").status_code == 200
    [line] = [line for line in logs if line["event"] == "audit.not_recorded"]
    assert (line["operation"], line["target"], line["status"]) == ("disable_vendor", "acme", 200)


def test_the_audit_log_is_listed_for_administrators(closed: ApiUnderTest) -> None:
    admin, operator = closed.token("admin"), closed.token("operate")
    call(closed, operator, "/vendor/acme/disable", "POST")
    assert call(closed, operator, "/audit").status_code == 403
    answer = call(closed, admin, "/audit")
    assert answer.status_code == 200
    [entry] = answer.get_json()
    assert (entry["operation"], entry["target"], entry["status"]) == ("disable_vendor", "acme", 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1:3000"}, 200),
        ({"Host": "[::1]:3000"}, 200),
    ],
)
def test_no_page_of_another_site_changes_anything_of_an_open_api(
    api: ApiUnderTest, headers: dict[str, str], status: int
) -> None:
    assert api.client.post(PREFIX + "/sync", headers=headers).status_code == status


def test_the_key_of_one_caller_is_none_of_another(closed: ApiUnderTest) -> None:
    tokens = [closed.shop.token_actions.create(name, [ORDERS_WRITE])[1] for name in ("a", "b")]
    answers = [
        closed.client.post(
            PREFIX + "/order",
            json=BOLT,
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "order-1"},
        )
        for token in (*tokens, tokens[0])
    ]
    assert [answer.status_code for answer in answers] == [202, 422, 202]
    assert answers[2].get_json() == answers[0].get_json()
