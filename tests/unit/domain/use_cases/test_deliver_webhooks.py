"""From what happened to what is sent."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from order_aggregator import MemoryStorage
from order_aggregator.adapters.memory.unit_of_work import MemoryUnitOfWork
from order_aggregator.adapters.webhooks.message import message_of
from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.domain.ports.unit_of_work import UnitOfWork
from order_aggregator.domain.ports.webhooks import (
    ClaimedDeliveries,
    DeliveryFailed,
    ListenerGone,
    ListenerUnreachable,
    WebhookStatus,
)
from order_aggregator.domain.use_cases.deliver_webhooks import (
    LEASE,
    DeliverWebhooks,
    FanOutEvents,
)
from order_aggregator.domain.webhooks import FIRST_DELAY, Delivery, Webhook
from order_aggregator.testing.shop import Shop


@attrs.define
class Listening:
    """A sender to listeners that answer as told."""

    answer: Callable[[Delivery], Exception | None] = lambda _delivery: None
    sent: list[str] = attrs.field(factory=list)

    def send(self, delivery: Delivery, webhook: Webhook) -> None:
        del webhook
        self.sent.append(delivery.message_id)
        if error := self.answer(delivery):
            raise error

    def interrupt(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """Nothing is open."""


class Setting:
    """A shop with stock and one webhook, and what tells it."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.storage = self.shop.storage
        self.shop.sync("acme", {"apple": 100})
        self.webhook = self.shop.webhook_actions().add("https://shop.example/", ["order.*"])
        self.listening = Listening()
        self.fan_out = self.new_fan_out(self.storage.unit_of_work)
        self.deliver = DeliverWebhooks(
            self.storage.unit_of_work,
            self.storage.webhooks,
            self.listening,
            self.shop.clock,
            lambda: 0.0,
        )

    def new_fan_out(self, unit_of_work: Callable[[], UnitOfWork]) -> FanOutEvents:
        storage = self.storage
        parts = (unit_of_work, storage.webhooks, storage.event_feed, message_of)
        return FanOutEvents(*parts, self.shop.clock)

    def status(self) -> WebhookStatus:
        status = self.storage.webhooks.get(self.webhook.id)
        assert status is not None
        return status

    def claim(self) -> ClaimedDeliveries:
        [claimed] = self.deliver.claim(1, [])
        return claimed

    def send_all(self) -> None:
        claimed = self.claim()
        outcome = self.deliver.send(claimed.webhook, claimed.deliveries, lambda: False)
        self.deliver.settle(claimed, [outcome])


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_each_event_becomes_one_delivery_however_often_it_is_tried(setting: Setting) -> None:
    orders = [setting.shop.accepted(apple=1) for _ in range(3)]
    assert setting.fan_out() == 3
    assert setting.fan_out() == 0
    assert setting.new_fan_out(setting.storage.unit_of_work)() == 0
    setting.send_all()
    assert setting.listening.sent == [f"{order.id}.1" for order in orders]
    assert setting.status().waiting == 0


class BrokenUnitOfWork(MemoryUnitOfWork):
    """Cannot commit."""

    def commit(self) -> None:
        raise StorageUnavailable


def test_a_failed_commit_loses_nothing(setting: Setting) -> None:
    setting.shop.accepted(apple=1)
    storage = setting.storage
    assert isinstance(storage, MemoryStorage)
    fan_out = setting.new_fan_out(lambda: BrokenUnitOfWork(storage._database))
    with pytest.raises(StorageUnavailable):
        fan_out()
    fan_out._unit_of_work = storage.unit_of_work
    assert fan_out() == 1
    assert setting.status().waiting == 1


def test_while_there_is_no_webhook_nothing_is_wanted(setting: Setting) -> None:
    assert setting.fan_out.is_wanted()
    setting.shop.webhook_actions().remove(setting.webhook.id)
    assert not setting.fan_out.is_wanted()
    setting.shop.accepted(apple=1)
    assert setting.fan_out() == 0


def test_what_happened_before_a_webhook_came_is_not_told_to_it(setting: Setting) -> None:
    setting.shop.accepted(apple=1)
    later = setting.shop.webhook_actions().add("https://later.example/")
    order = setting.shop.accepted(apple=1)
    setting.fan_out()
    claimed = {each.webhook.id: each.deliveries for each in setting.deliver.claim(9, [])}
    assert [each.message_id for each in claimed[later.id]] == [f"{order.id}.1"]
    assert len(claimed[setting.webhook.id]) == 2


def test_one_failure_leaves_the_rest_to_be_sent(setting: Setting) -> None:
    first, *_ = [setting.shop.accepted(apple=1) for _ in range(3)]
    setting.fan_out()
    setting.listening.answer = lambda delivery: (
        DeliveryFailed("no") if delivery.subject == str(first.id) else None
    )
    setting.send_all()
    assert (len(setting.listening.sent), setting.status().waiting) == (3, 1)
    assert setting.status().problem == "no"
    assert setting.deliver.claim(1, []) == []
    setting.shop.clock.advance(FIRST_DELAY)
    [delivery] = setting.claim().deliveries
    assert (delivery.attempts, delivery.problem) == (1, "no")


def test_where_nobody_answers_the_rest_is_not_tried(setting: Setting) -> None:
    for _ in range(3):
        setting.shop.accepted(apple=1)
    setting.fan_out()
    setting.listening.answer = lambda _delivery: ListenerUnreachable("nobody")
    setting.send_all()
    assert len(setting.listening.sent) == 1
    setting.shop.clock.advance(FIRST_DELAY)
    assert [each.attempts for each in setting.claim().deliveries] == [1, 1, 1]


def test_one_that_is_gone_is_disabled_and_told_nothing_more(setting: Setting) -> None:
    for _ in range(3):
        setting.shop.accepted(apple=1)
    setting.fan_out()
    setting.listening.answer = lambda _delivery: ListenerGone("gone")
    setting.send_all()
    status = setting.status()
    assert (status.webhook.enabled, status.waiting, status.dead) == (False, 0, 3)
    assert (len(setting.listening.sent), status.problem) == (1, "gone")
    assert setting.shop.webhook_actions().replay(setting.webhook.id) == 3
    assert setting.status().webhook.enabled


def test_what_is_broken_off_as_we_stop_has_not_failed(setting: Setting) -> None:
    setting.shop.accepted(apple=1)
    setting.fan_out()
    setting.listening.answer = lambda _delivery: ListenerUnreachable("stopped")
    claimed = setting.claim()
    outcome = setting.deliver.send(
        claimed.webhook, claimed.deliveries, lambda: bool(setting.listening.sent)
    )
    setting.deliver.settle(claimed, [outcome])
    assert setting.status().problem is None
    assert [each.attempts for each in setting.claim().deliveries] == [0]


def test_a_claim_is_over_when_whoever_had_it_is_dead(setting: Setting) -> None:
    setting.shop.accepted(apple=1)
    setting.fan_out()
    setting.claim()
    assert setting.deliver.claim(1, []) == []
    setting.shop.clock.advance(LEASE)
    assert len(setting.claim().deliveries) == 1
