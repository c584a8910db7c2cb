"""What worker and relay count."""

from __future__ import annotations

from threading import Event
from uuid import uuid4

from prometheus_client import REGISTRY

from order_aggregator import BrokerUnavailable
from order_aggregator.adapters.wire import encode
from order_aggregator.entrypoints.relay import Housekeeping, Relay
from worker_shop import Shop


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def failures(reason: str, action: str) -> float:
    return figure("order_worker_failures_total", reason=reason, action=action)


def test_a_worker_counts_what_it_fulfils_and_how_long_that_took() -> None:
    shop = Shop()
    names = (
        "order_worker_fulfilled_orders_total",
        "order_fulfilment_seconds_count",
        "order_worker_batch_size_sum",
    )
    before = [figure(name) for name in names]
    for _ in range(3):
        shop.place()
    shop.step(shop.worker())
    assert [figure(name) for name in names] == [value + 3 for value in before]


def test_a_worker_counts_failures_by_reason_and_what_became_of_them() -> None:
    shop = Shop()
    shop.stock("cup", 5)
    shop.place("cup", 5)
    shop.lose("cup", 3)
    before = failures("vendor_shortage", "retried"), failures("vendor_shortage", "failed")
    unknown = failures("unknown_order", "parked")
    unreadable = figure("order_worker_unreadable_messages_total")
    shop.bus.publish([encode((uuid4(),)), b"nonsense"])
    shop.step(shop.worker(), times=3)
    assert failures("vendor_shortage", "retried") == before[0] + 2
    assert failures("vendor_shortage", "failed") == before[1] + 1
    assert failures("unknown_order", "parked") == unknown + 1
    assert figure("order_worker_unreadable_messages_total") == unreadable + 1


class _Sending:
    """Sends two, of which a third was not confirmed; then the broker is away."""

    unconfirmed = 1

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._rounds = iter([[b"a", b"b"]])

    def __call__(self) -> list[bytes]:
        for bodies in self._rounds:
            return bodies
        self._stop.set()
        raise BrokerUnavailable("away")

    def finish(self) -> None:
        """Nothing is left."""


def test_a_relay_counts_what_it_sends_and_when_it_cannot() -> None:
    stop = Event()
    names = (
        "order_relay_sent_messages_total",
        "order_relay_unconfirmed_messages_total",
        "order_relay_waits_total",
        "order_relay_resent_orders_total",
    )
    before = [figure(name) for name in names]
    housekeeping = Housekeeping(
        resend_orders=lambda: [uuid4()],
        watch_outbox=lambda: None,
        withhold_stale_stock=list,
        forget_keys=int,
        forget_events=int,
        forget_audit=int,
        expire_holds=list,
        fill_backorders=list,
    )
    Relay(relay_messages=_Sending(stop), housekeeping=housekeeping, stop=stop).run()
    told = [figure(name) - value for name, value in zip(names, before, strict=True)]
    assert told == [2, 1, 1, 1]
