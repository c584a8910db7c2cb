"""Publishing what happened: at least once, in order, by one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

import attrs
import pytest

from order_aggregator.adapters.memory.event_publisher import MemoryEventPublisher
from order_aggregator.domain.errors import BrokerUnavailable
from order_aggregator.domain.ports.event_log import EventBatch
from order_aggregator.domain.ports.unit_of_work import UnitOfWork
from order_aggregator.domain.use_cases import publish_events
from order_aggregator.domain.use_cases.publish_events import LEASE, PublishEvents
from order_aggregator.testing.shop import Shop


@attrs.define
class WeakPublisher:
    """A publisher that can be down, and confirms no more than so many batches."""

    kept: MemoryEventPublisher = attrs.Factory(MemoryEventPublisher)
    down: bool = False
    confirms: int = 1000
    meanwhile: Callable[[], object] = int

    def publish(self, batches: Sequence[EventBatch]) -> int:
        self.meanwhile()
        if self.down:
            raise BrokerUnavailable("nobody listens")
        return min(self.kept.publish(batches), self.confirms)

    def ids(self) -> list[str]:
        return [str(document["id"]) for document in self.kept.published]


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.sync("acme", {"apple": 100})
    return shop


@pytest.fixture
def publisher() -> WeakPublisher:
    return WeakPublisher()


def publishing(shop: Shop, publisher: WeakPublisher) -> PublishEvents:
    storage = shop.storage
    return PublishEvents(storage.unit_of_work, storage.event_feed, publisher, shop.clock)


@pytest.fixture
def publish(shop: Shop, publisher: WeakPublisher) -> PublishEvents:
    """It has begun, so what happens now is to be published."""
    publish = publishing(shop, publisher)
    publish()
    return publish


def order(shop: Shop, count: int = 1) -> list[str]:
    """Place so many orders, each in a transaction of its own; the ids of their events."""
    return [f"{shop.accepted(apple=1).id}.1" for _ in range(count)]


def test_what_happened_is_published_once_and_in_order(
    shop: Shop, publisher: WeakPublisher, publish: PublishEvents
) -> None:
    expected = order(shop, 3)
    assert (publish(), publish()) == (3, 0)
    expected += order(shop)
    assert (publish(), publish()) == (1, 0)
    assert publisher.ids() == expected


def test_it_begins_with_what_happens_after_its_first_round(
    shop: Shop, publisher: WeakPublisher
) -> None:
    publish = publishing(shop, publisher)
    order(shop)
    assert publish() == 0
    expected = order(shop)
    # Another process goes on where this one was.
    assert publishing(shop, publisher)() == 1
    assert publisher.ids() == expected


def test_nothing_is_published_of_what_was_rolled_back(
    shop: Shop, publisher: WeakPublisher, publish: PublishEvents
) -> None:
    with shop.storage.unit_of_work() as uow:
        uow.events.append(shop.events())
    assert (publish(), publisher.ids()) == (0, [])


def test_while_one_process_publishes_others_do_not(
    shop: Shop, publisher: WeakPublisher, publish: PublishEvents
) -> None:
    other = publishing(shop, publisher)
    rounds = []
    publisher.meanwhile = lambda: rounds.append(other())
    order(shop)
    assert (publish(), rounds) == (1, [0])
    order(shop)
    assert other() == 1


def test_a_process_that_dies_before_it_notes_what_it_published_has_it_published_again(
    shop: Shop,
    publisher: WeakPublisher,
    publish: PublishEvents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(_position: int) -> NoReturn:
        raise SystemExit

    monkeypatch.setattr(publish, "_advance", die)
    expected = order(shop, 2)
    with pytest.raises(SystemExit):
        publish()
    other = publishing(shop, publisher)
    # It had the cursor until its lease runs out.
    assert other() == 0
    shop.pass_time(seconds=LEASE.total_seconds())
    assert other() == 2
    assert publisher.ids() == 2 * expected


def test_while_the_broker_is_away_the_cursor_stays_and_is_free(
    shop: Shop, publisher: WeakPublisher, publish: PublishEvents
) -> None:
    expected = order(shop)
    publisher.down = True
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            publish()
    publisher.down = False
    assert publishing(shop, publisher)() == 1
    assert publish() == 0
    assert publisher.ids() == expected


def test_what_is_not_confirmed_is_published_again(
    shop: Shop, publisher: WeakPublisher, publish: PublishEvents
) -> None:
    first, second, third = order(shop, 3)
    publisher.confirms = 2
    assert publish() == 2
    assert publish() == 1
    assert publisher.ids() == [first, second, third, third]


def test_a_round_is_no_longer_than_it_can_be_confirmed_in_time(
    shop: Shop, publish: PublishEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_events, "EVENTS", 2)
    order(shop, 3)
    order(shop, 2)
    assert [publish() for _ in range(4)] == [2, 2, 1, 0]


def test_a_transaction_with_more_events_than_a_round_is_published_whole(
    shop: Shop, publish: PublishEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_events, "EVENTS", 2)
    shop.sync("globex", dict.fromkeys(("pear", "plum", "fig"), 1))
    assert (publish(), publish()) == (3, 0)


def test_a_round_without_news_needs_no_transaction(shop: Shop, publisher: WeakPublisher) -> None:
    opened = []

    def unit_of_work() -> UnitOfWork:
        opened.append(1)
        return shop.storage.unit_of_work()

    publish = PublishEvents(unit_of_work, shop.storage.event_feed, publisher, shop.clock)
    publish()
    opened.clear()
    assert (publish(), opened) == (0, [])
