"""Whatever changes something takes an idempotency key, and is done once with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from werkzeug.test import TestResponse

from api_under_test import PREFIX, ApiUnderTest
from order_aggregator.domain.ports.vendor_directory import DeclaredVendor
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.webhooks import Message
from order_aggregator.testing.shop import SAME_CLOCK, Feed, snapshot
from order_aggregator.testing.shop_work import work

KEY = "once"
ORDER = "01890a5d-ac96-774b-bcce-b302099a8057"
VENDOR = {"name": "New", "type": "http", "url": "http://a.test/", "format": "csv"}
NAMES = {"vendor_id": "acme", "product_id": "BOLT", "dead_letter_id": "1"}
HOOK = {"url": "https://shop.example/hook"}


@attrs.frozen(kw_only=True)
class Call:
    """A request that changes something."""

    method: str
    path: str
    body: Any = None

    def send(self, api: ApiUnderTest) -> TestResponse:
        return api.client.open(
            PREFIX + self.path,
            method=self.method,
            json=self.body,
            headers={"Idempotency-Key": KEY},
        )


def _nothing(_api: ApiUnderTest) -> dict[str, str]:
    return {}


def _hold(api: ApiUnderTest) -> dict[str, str]:
    body = {"lines": [{"product_id": "BOLT", "quantity": 3}], "seconds": 60}
    return {"id": api.client.post(f"{PREFIX}/hold", json=body).get_json()["id"]}


def _webhook(api: ApiUnderTest) -> dict[str, str]:
    webhook = api.shop.webhook_actions().add(HOOK["url"])
    message = Message(id="m", type="order.tested", subject="s", body="{}")
    now = api.shop.clock.now()
    storage = api.shop.storage
    work(storage, lambda uow: uow.webhooks.add_deliveries([(webhook.id, message)], now))
    work(storage, lambda uow: uow.webhooks.bury(webhook.id, "gone"))
    return {"id": webhook.id}


def _letter(api: ApiUnderTest) -> dict[str, str]:
    api.shop.bus.publish([b"nonsense"])
    with api.shop.bus.consume() as consumer:
        consumer.park([(each, "a bug") for each in consumer.receive(1, 1)])
    return {"id": api.get("/dead-letter").get_json()[0]["id"]}


def _news(api: ApiUnderTest) -> dict[str, str]:
    api.shop.pass_time(minutes=1)
    api.gateways["acme"] = Feed(snapshot("acme", {"BOLT": 12, "NUT": 4}, api.shop.clock.now()))
    return {}


def _quarantined(api: ApiUnderTest) -> dict[str, str]:
    api.shop.pass_time(minutes=1)
    feed = snapshot("acme", {"BOLT": 1}, api.shop.clock.now())
    api.gateways["acme"] = Feed(feed, attrs.evolve(SAME_CLOCK, max_cut=0.5))
    assert api.client.post(f"{PREFIX}/vendor/acme/sync").status_code == 409
    return {}


def _former(api: ApiUnderTest) -> dict[str, str]:
    api.shop.sync("former", {"BOLT": 3})
    return {}


CALLS: dict[str, tuple[Callable[[ApiUnderTest], dict[str, str]], Call]] = {
    "release": (_hold, Call(method="DELETE", path="/hold/{id}")),
    "product": (
        _nothing,
        Call(method="PUT", path="/product/BOLT", body={"name": "Bolt M8", "low_at": 3}),
    ),
    "add webhook": (_nothing, Call(method="POST", path="/webhook", body=HOOK)),
    "remove webhook": (_webhook, Call(method="DELETE", path="/webhook/{id}")),
    "replay webhook": (_webhook, Call(method="POST", path="/webhook/{id}/replay", body={})),
    "put vendor": (_nothing, Call(method="PUT", path="/vendor/new", body=VENDOR)),
    "disable": (_nothing, Call(method="POST", path="/vendor/acme/disable")),
    "enable": (_nothing, Call(method="POST", path="/vendor/acme/enable")),
    "retire": (_former, Call(method="POST", path="/vendor/former/retire")),
    "approve": (_quarantined, Call(method="POST", path="/vendor/acme/approve")),
    "sync": (_news, Call(method="POST", path="/vendor/acme/sync")),
    "sync all": (_news, Call(method="POST", path="/sync")),
    "replay letter": (_letter, Call(method="POST", path="/dead-letter/{id}/replay")),
    "discard letter": (_letter, Call(method="DELETE", path="/dead-letter/{id}")),
}


@pytest.fixture(params=CALLS)
def call(api: ApiUnderTest, request: pytest.FixtureRequest) -> Call:
    prepare, call = CALLS[request.param]
    return attrs.evolve(call, path=call.path.format(**prepare(api)))


def _same(first: TestResponse, second: TestResponse) -> bool:
    return (first.status_code, first.data) == (second.status_code, second.data)


def test_what_is_asked_for_again_is_answered_as_before(api: ApiUnderTest, call: Call) -> None:
    first = call.send(api)
    assert first.status_code in (200, 201, 204), first.text
    assert "Idempotent-Replayed" not in first.headers
    # Other figures, so that what is read anew would be told otherwise.
    api.shop.pass_time(minutes=1)
    api.shop.sync("acme", {"BOLT": 99})
    again = call.send(api)
    assert _same(first, again), again.text
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_key_belongs_to_one_request(api: ApiUnderTest, call: Call) -> None:
    body = {"name": "other"}
    assert (
        api.client.put(
            f"{PREFIX}/product/NUT", json=body, headers={"Idempotency-Key": KEY}
        ).status_code
        == 200
    )
    before = api.get("/vendor").get_json()
    refused = call.send(api)
    assert refused.status_code == 422
    assert refused.get_json()["errors"] == {"Idempotency-Key": ["belongs to an earlier request"]}
    assert api.get("/vendor").get_json() == before


def test_what_is_refused_is_not_remembered(api: ApiUnderTest) -> None:
    enable = Call(method="POST", path="/vendor/late/enable")
    assert enable.send(api).status_code == 404
    acme = DeclaredVendor(vendor=Vendor(id="late", name="Late"), entry="{}", folder="/")
    api.shop.vendor_actions.declare([acme])
    assert enable.send(api).status_code == 200


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("product", "/stock/BOLT"),
        ("put vendor", "/vendor/new"),
        ("disable", "/vendor/acme"),
        ("enable", "/vendor/acme"),
        ("retire", "/vendor/former"),
    ],
)
def test_what_is_set_is_answered_as_it_is_read_later(
    api: ApiUnderTest, name: str, path: str
) -> None:
    prepare, call = CALLS[name]
    prepare(api)
    api.shop.pass_time(minutes=1)
    assert call.send(api).get_json() == api.get(path).get_json()


def test_a_secret_is_shown_again_to_whoever_missed_it(api: ApiUnderTest) -> None:
    _, call = CALLS["add webhook"]
    assert call.send(api).get_json()["secret"] == call.send(api).get_json()["secret"]
    assert len(api.get("/webhook").get_json()) == 1


def test_every_operation_that_changes_something_reads_the_key(api: ApiUnderTest) -> None:
    document = api.client.get(f"{PREFIX}/openapi.json").get_json()
    changing = {"post", "put", "patch", "delete"}
    operations = [
        (path, method, item[method])
        for path, item in document["paths"].items()
        for method in item.keys() & changing
    ]
    assert len(operations) > 20
    for path, method, operation in operations:
        names = [parameter["name"] for parameter in operation["parameters"]]
        assert "Idempotency-Key" in names, (method, path)
        answer = api.client.open(
            path.format(order_id=ORDER, webhook_id=ORDER, **NAMES),
            method=method.upper(),
            json=_example(operation),
            headers={"Idempotency-Key": "x" * 256},
        )
        assert answer.status_code == 422, (method, path, answer.text)
        assert list(answer.get_json()["errors"]) == ["Idempotency-Key"], (method, path)


def _example(operation: dict[str, Any]) -> Any:
    if "requestBody" not in operation:
        return None
    content = operation["requestBody"]["content"]["application/json"]
    examples = content.get("examples")
    return next(iter(examples.values()))["value"] if examples else content["example"]
