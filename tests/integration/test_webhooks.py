"""Webhooks over a real network, in each storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from uuid import UUID

import attrs
import pytest

from order_aggregator.adapters.memory import MemoryStorage
from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.adapters.system.clock import SystemClock
from order_aggregator.adapters.webhooks.http_sender import HttpWebhookSender
from order_aggregator.adapters.webhooks.message import message_of
from order_aggregator.domain import webhooks as rules
from order_aggregator.domain.ports.storage import Storage
from order_aggregator.domain.ports.webhooks import ClaimedDeliveries, WebhookStatus
from order_aggregator.domain.use_cases.deliver_webhooks import DeliverWebhooks, FanOutEvents
from order_aggregator.domain.webhooks import MAX_ATTEMPTS, Webhook
from order_aggregator.entrypoints.webhook_dispatcher import WebhookDispatcher
from order_aggregator.testing.shop import Shop
from service import eventually
from webhook_listener import Listener


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: object) -> Iterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage()
        return
    url = (
        f"sqlite:///{tmp_path}/shop.db"
        if request.param == "sqlite"
        else request.getfixturevalue("fresh_database_url")
    )
    engine = create_engine(url)
    storage = SqlStorage(engine)
    storage.migrate()
    yield storage
    engine.dispose()


@pytest.fixture
def shop(storage: Storage) -> Shop:
    return Shop(storage)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "FIRST_DELAY", timedelta(milliseconds=5))
    monkeypatch.setattr(rules, "LAST_DELAY", timedelta(milliseconds=20))


@contextmanager
def dispatching(storage: Storage, timeout: float = 2.0, *, private: bool = True) -> Iterator[None]:
    clock = storage.clock or SystemClock()
    sender = HttpWebhookSender(SystemClock(), private=private, timeout=timeout)
    unit_of_work, directory = storage.unit_of_work, storage.webhooks
    dispatcher = WebhookDispatcher(
        fan_out=FanOutEvents(unit_of_work, directory, storage.event_feed, message_of, clock),
        deliver=DeliverWebhooks(unit_of_work, directory, sender, clock, lambda: 0.5),
        sender=sender,
    )
    with dispatcher.running():
        yield


def add(shop: Shop, listener: Listener, *types: str, path: str = "/hook") -> Webhook:
    actions = shop.webhook_actions(private=True)
    webhook = actions.add(listener.url + path, types or ("order.*",))
    listener.secret = webhook.secret
    return webhook


def status_of(storage: Storage, webhook: Webhook) -> WebhookStatus:
    status = storage.webhooks.get(webhook.id)
    assert status is not None
    return status


def is_idle(storage: Storage, webhook: Webhook) -> bool:
    return status_of(storage, webhook).waiting == 0


def told_of(listener: Listener, order_id: UUID) -> list[str]:
    return [told.event["type"] for told in listener.told if told.event["subject"] == str(order_id)]


def test_what_happens_is_told_once_signed_and_in_order(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 100})
    before = shop.accepted(apple=1)
    add(shop, listener)
    orders = [shop.accepted(apple=1) for _ in range(20)]
    with dispatching(storage):
        shop.fulfil(*orders)
        eventually(lambda: len(listener.told) >= 40, what="all told")
    assert len(listener.told) == 40
    assert all(told.is_genuine for told in listener.told)
    assert {told.content_type for told in listener.told} == {"application/cloudevents+json"}
    assert all(told.message_id == told.event["id"] for told in listener.told)
    for order in orders:
        assert told_of(listener, order.id) == ["order.reserved", "order.fulfilled"]
    assert told_of(listener, before.id) == []


def test_a_forged_message_would_be_noticed(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 100})
    add(shop, listener)
    listener.secret = "whsec_" + "QUJD" * 8
    shop.accepted(apple=1)
    with dispatching(storage):
        eventually(lambda: bool(listener.told))
    assert listener.told[0].is_genuine is False


def test_only_what_is_wanted_is_told(shop: Shop, storage: Storage, listener: Listener) -> None:
    add(shop, listener, "stock.out", "vendor.*")
    shop.sync("acme", {"apple": 1})
    shop.accepted(apple=1)
    with dispatching(storage):
        eventually(lambda: bool(listener.told))
    assert [told.event["type"] for told in listener.told] == ["stock.out"]


def test_what_was_rolled_back_is_never_told(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 2})
    add(shop, listener)
    with storage.unit_of_work() as uow:
        [event] = [x for x in shop.events() if x.type == "stock.back"]
        uow.events.append([attrs.evolve(event, type="order.never")])
    shop.accepted(apple=1)
    with dispatching(storage):
        eventually(lambda: bool(listener.told))
    assert [told.event["type"] for told in listener.told] == ["order.reserved"]


def test_failures_are_retried_until_it_arrives(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 100})
    webhook = add(shop, listener)
    answers = iter([500, 302, 404])
    listener.answer = lambda _told: next(answers, 200)
    order = shop.accepted(apple=1)
    with dispatching(storage):
        eventually(lambda: len(listener.told) == 4 and is_idle(storage, webhook))
    assert told_of(listener, order.id) == ["order.reserved"] * 4
    assert len({told.message_id for told in listener.told}) == 1
    status = status_of(storage, webhook)
    assert (status.dead, status.problem) == (0, None)


def test_what_never_arrives_is_dead_and_replayed_when_asked(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 100})
    webhook = add(shop, listener)
    listener.answer = lambda _told: 503
    order = shop.accepted(apple=1)
    with dispatching(storage):
        eventually(lambda: status_of(storage, webhook).dead == 1, what="dead")
        assert len(listener.told) == MAX_ATTEMPTS
        [dead] = storage.webhooks.dead(webhook.id, 0, 10).items
        assert (dead.attempts, dead.problem) == (MAX_ATTEMPTS, "answered 503")
        assert status_of(storage, webhook).problem == "answered 503"
        listener.answer = lambda _told: 200
        assert shop.webhook_actions().replay(webhook.id, [f"{order.id}.1"]) == 1
        eventually(lambda: status_of(storage, webhook).dead + len(listener.told) == 13)
        eventually(lambda: is_idle(storage, webhook))
    assert len(listener.told) == MAX_ATTEMPTS + 1


def test_a_listener_that_is_gone_is_told_no_more_until_replayed(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 100})
    webhook = add(shop, listener)
    listener.answer = lambda _told: 410
    shop.accepted(apple=1)
    with dispatching(storage):
        eventually(lambda: not status_of(storage, webhook).webhook.enabled)
        assert (status_of(storage, webhook).waiting, status_of(storage, webhook).dead) == (0, 1)
        shop.accepted(apple=1)
        listener.answer = lambda _told: 200
        assert shop.webhook_actions().replay(webhook.id) == 1
        eventually(lambda: status_of(storage, webhook).dead == 0 and is_idle(storage, webhook))
    assert status_of(storage, webhook).webhook.enabled


def test_a_listener_that_hangs_holds_up_nobody_and_not_the_end(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 100})
    with Listener() as hanging:
        hanging.answer = lambda _told: 200 if hanging.stopping.wait(30) else 500
        stuck = add(shop, hanging)
        add(shop, listener)
        with dispatching(storage, timeout=20):
            begun = monotonic()
            for _ in range(5):
                shop.accepted(apple=1)
            eventually(lambda: len(listener.told) == 5 and bool(hanging.told), within=5)
            stopped = monotonic()
        assert monotonic() - stopped < 3
        assert stopped - begun < 5
        hanging.stopping.set()
    # What was broken off is neither delivered nor failed.
    [claimed] = claimable(storage)
    assert claimed.webhook.id == stuck.id
    assert {each.attempts for each in claimed.deliveries} == {0}


def claimable(storage: Storage) -> list[ClaimedDeliveries]:
    now = (storage.clock or SystemClock()).now()
    with storage.unit_of_work() as uow:
        return uow.webhooks.claim(10, 100, now, now, [])


def test_an_answer_that_drips_is_given_up(shop: Shop, storage: Storage, listener: Listener) -> None:
    shop.sync("acme", {"apple": 100})
    webhook = add(shop, listener)
    listener.answer = lambda _told: 204 if listener.stopping.wait(1.5) else 200
    shop.accepted(apple=1)
    with dispatching(storage, timeout=0.3):
        eventually(lambda: status_of(storage, webhook).problem == "no whole answer in time")


def test_nothing_is_sent_to_a_private_address(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 100})
    webhook = add(shop, listener)
    shop.accepted(apple=1)
    with dispatching(storage, private=False):
        eventually(lambda: status_of(storage, webhook).problem is not None)
    assert status_of(storage, webhook).problem == "127.0.0.1 is a private address"
    assert listener.told == []


def test_no_other_dispatcher_sends_the_same_meanwhile(
    shop: Shop, storage: Storage, listener: Listener
) -> None:
    shop.sync("acme", {"apple": 1000})
    webhook = add(shop, listener)
    with dispatching(storage), dispatching(storage):
        orders = [shop.accepted(apple=1) for _ in range(30)]
        shop.fulfil(*orders)
        eventually(lambda: len(listener.told) >= 60 and is_idle(storage, webhook))
    assert len(listener.told) == 60
    for order in orders:
        assert told_of(listener, order.id) == ["order.reserved", "order.fulfilled"]
