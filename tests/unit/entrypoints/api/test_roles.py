"""Who may call what: every route against every scope."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from werkzeug.routing import Rule

from api_under_test import ApiUnderTest
from order_aggregator.domain.access import IMPLIED

OPEN = None
# By endpoint: one of these lets in. What implies them does too.
EXPECTED: dict[str, str | None] = {
    "audit.list_audit": "admin",
    "bare.to_prefixed": OPEN,
    "bare.to_swagger": OPEN,
    "dashboard.announce_order": "operate",
    "dashboard.approve_report": "operate",
    "dashboard.ask_announce_order": "operate",
    "dashboard.ask_approve_report": "operate",
    "dashboard.ask_cancel_order": "operate",
    "dashboard.ask_disable_vendor": "operate",
    "dashboard.ask_discard_dead_letter": "operate",
    "dashboard.ask_enable_vendor": "operate",
    "dashboard.ask_replay_dead_letter": "operate",
    "dashboard.ask_replay_deliveries": "operate",
    "dashboard.ask_return_order": "operate",
    "dashboard.ask_sync_vendor": "operate",
    "dashboard.cancel_order": "operate",
    "dashboard.disable_vendor": "operate",
    "dashboard.discard_dead_letter": "operate",
    "dashboard.enable_vendor": "operate",
    "dashboard.home": "operate",
    "dashboard.login": OPEN,
    "dashboard.messages": "operate",
    "dashboard.nowhere": OPEN,
    "dashboard.order": "operate",
    "dashboard.orders": "operate",
    "dashboard.product": "operate",
    "dashboard.products": "operate",
    "dashboard.replay_dead_letter": "operate",
    "dashboard.replay_deliveries": "operate",
    "dashboard.return_order": "operate",
    "dashboard.sign_in": OPEN,
    "dashboard.sign_out": OPEN,
    "dashboard.static": OPEN,
    "dashboard.stream_changes": "operate",
    "dashboard.sync_vendor": "operate",
    "dashboard.vendor": "operate",
    "dashboard.vendors": "operate",
    "dashboard.webhook": "operate",
    "dashboard.webhooks": "operate",
    "dead-letters.discard_dead_letter": "operate",
    "dead-letters.get_dead_letter": "operate",
    "dead-letters.list_dead_letters": "operate",
    "dead-letters.replay_dead_letter": "operate",
    "event.stream_events": "events:read",
    "event.stream_order": "orders:read",
    "history.order_history": "orders:read",
    "history.stock_history": "stock:read",
    "hold.extend_hold": "orders:write",
    "hold.order_hold": "orders:write",
    "hold.place_hold": "orders:write",
    "hold.release_hold": "orders:write operate",
    "order-steps.cancel_order": "orders:write operate",
    "order-steps.return_order": "orders:write operate",
    "order.get_order": "orders:read",
    "order.list_orders": "orders:read",
    "order.place_order": "orders:write",
    "probes.get_metrics": "stock:read",
    "probes.healthz": OPEN,
    "probes.readyz": OPEN,
    "product.put_product": "operate",
    "stock.get_stock": "stock:read",
    "stock.list_stock": "stock:read",
    "stock.list_vendor_stock": "stock:read",
    "swagger_assets.swagger_asset": OPEN,
    "api-docs.openapi_json": OPEN,
    "api-docs.openapi_swagger_ui": OPEN,
    "sync.sync_all": "operate",
    "sync.sync_vendor": "vendor:x",
    "vendors.approve_report": "operate",
    "vendors.disable_vendor": "operate",
    "vendors.enable_vendor": "operate",
    "vendors.get_vendor": "vendor:x",
    "vendors.list_rejections": "vendor:x",
    "vendors.list_vendors": "operate",
    "vendors.patch_stock": "vendor:x",
    "vendors.put_stock": "vendor:x",
    "vendors.put_vendor": "operate",
    "vendors.retire_vendor": "operate",
    "webhook.add_webhook": "operate",
    "webhook.get_webhook": "operate",
    "webhook.list_dead_deliveries": "operate",
    "webhook.list_webhooks": "operate",
    "webhook.remove_webhook": "operate",
    "webhook.replay_deliveries": "operate",
}
SCOPES = [*IMPLIED, "vendor:x", "vendor:y"]
# Written out, so that a change of what is implied has to be made twice.
ALSO = {
    "orders:write": {"orders:read"},
    "operate": {"orders:read", "stock:read", "events:read", "vendor:x"},
    "admin": set(IMPLIED) | {"vendor:x"},
}
SAMPLE = {"order_id": "01890a5d-ac96-774b-bcce-b302099a8057"}
# What a browser says of a form of ours.
OWN_FORM = {"Sec-Fetch-Site": "same-origin"}
SAMPLE |= {"webhook_id": SAMPLE["order_id"], "vendor_id": "x"}


@pytest.fixture(scope="module")
def closed() -> Iterator[ApiUnderTest]:
    api = ApiUnderTest(is_open=False)
    yield api
    api.close()


@pytest.fixture(scope="module")
def tokens(closed: ApiUnderTest) -> dict[str, str]:
    return {scope: closed.token(scope) for scope in SCOPES}


def rules(api: ApiUnderTest) -> list[Rule]:
    return list(api.app.url_map.iter_rules())


def test_every_route_has_a_row(closed: ApiUnderTest) -> None:
    assert {rule.endpoint for rule in rules(closed)} == set(EXPECTED)


@pytest.mark.parametrize("endpoint", sorted(EXPECTED))
def test_who_may_call_it(closed: ApiUnderTest, tokens: dict[str, str], endpoint: str) -> None:
    expected = EXPECTED[endpoint]
    for rule in [rule for rule in rules(closed) if rule.endpoint == endpoint]:
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            assert status(closed, rule, method, None) == (None if expected is OPEN else 401)
            for scope in SCOPES:
                may = expected is OPEN or not (
                    ({scope} | ALSO.get(scope, set())).isdisjoint(expected.split(" "))
                )
                found = status(closed, rule, method, tokens[scope])
                assert found == (None if may else 403), (method, rule.rule, scope)


def status(api: ApiUnderTest, rule: Rule, method: str, token: str | None) -> int | None:
    """401, 403, or None where the view itself answered."""
    values = {name: SAMPLE.get(name, "x") for name in rule.arguments}
    path = api.app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
    headers = OWN_FORM if token is None else {**OWN_FORM, "Authorization": f"Bearer {token}"}
    with api.client.open(path, method=method, headers=headers) as answer:
        found = answer.status_code
    assert found < 500 or rule.endpoint.endswith("sync.sync_vendor"), (found, path)
    return found if found in (401, 403) else None
