"""What a confirmation is worth, and what becomes of messages without one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from amqp import FaultyNetwork, channel_to, depth
from order_aggregator.adapters.rabbitmq import RabbitMessageBus, publisher, session
from order_aggregator.domain.errors import BrokerUnavailable
from service import eventually
from started_threads import StartedThreads


@pytest.fixture
def bus(fresh_broker_url: str) -> Iterator[RabbitMessageBus]:
    bus = RabbitMessageBus(fresh_broker_url)
    yield bus
    bus.close()


@pytest.fixture
def network(fresh_broker_url: str) -> Iterator[FaultyNetwork]:
    with FaultyNetwork(fresh_broker_url) as network:
        yield network


@pytest.fixture
def distant_bus(
    network: FaultyNetwork, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RabbitMessageBus]:
    """A bus on the faulty network, with less patience than usual."""
    monkeypatch.setattr(publisher, "CONFIRM_TIMEOUT", 1.0)
    monkeypatch.setattr(session, "CLOSE_TIMEOUT", 0.5)
    bus = RabbitMessageBus(network.url)
    try:
        bus.ping()
        yield bus
    finally:
        bus.close()


def test_constructor_does_nothing() -> None:
    started = StartedThreads()
    RabbitMessageBus("amqp://nowhere.invalid/")
    assert started.running() == 0


def test_publishing_nothing_needs_no_broker() -> None:
    assert RabbitMessageBus("amqp://nowhere.invalid/").publish([]) == []


def test_whole_batch_is_confirmed_in_order(bus: RabbitMessageBus, fresh_broker_url: str) -> None:
    bodies = [b"%d" % number for number in range(2500)]
    assert bus.publish(bodies) == [True] * 2500
    with channel_to(fresh_broker_url) as channel:
        found = [channel.basic_get("order_queue", auto_ack=True)[2] for _ in bodies]
    assert found == bodies


def test_message_is_persistent_json(bus: RabbitMessageBus, fresh_broker_url: str) -> None:
    bus.publish([b"{}"])
    with channel_to(fresh_broker_url) as channel:
        _method, properties, _body = channel.basic_get("order_queue", auto_ack=True)
    assert properties is not None
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)


def test_message_larger_than_a_frame(bus: RabbitMessageBus, fresh_broker_url: str) -> None:
    body = b"x" * 500_000
    assert bus.publish([body, b"", body]) == [True] * 3
    with channel_to(fresh_broker_url) as channel:
        found = [channel.basic_get("order_queue", auto_ack=True)[2] for _ in range(3)]
    assert found == [body, b"", body]


def test_many_threads_share_the_bus(bus: RabbitMessageBus, fresh_broker_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: bus.publish([b"x"] * 20), range(100)))
    assert answers == [[True] * 20] * 100
    assert depth(fresh_broker_url, "order_queue") == 2000


def test_returned_message_is_not_confirmed_and_the_queue_comes_back(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    assert bus.publish([b"1"]) == [True]
    with channel_to(fresh_broker_url) as channel:
        channel.queue_delete("order_queue")
    assert bus.publish([b"2", b"3"]) == [False, False]
    assert bus.publish([b"2", b"3"]) == [True, True]
    assert depth(fresh_broker_url, "order_queue") == 2


def test_refused_message_is_not_confirmed(bus: RabbitMessageBus, fresh_broker_url: str) -> None:
    """A full queue answers with a negative acknowledgement."""
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    with channel_to(fresh_broker_url) as channel:
        channel.queue_declare("full", durable=True, arguments=arguments)
    bus.ping()
    bus._queue = "full"
    assert bus.publish([b"1"]) == [True]
    assert bus.publish([b"2", b"3", b"4"])[-1] is False


def test_no_broker_is_said_soon() -> None:
    with closing(RabbitMessageBus("amqp://127.0.0.1:1/")) as bus:
        started_at = time.monotonic()
        with pytest.raises(BrokerUnavailable, match="refused"):
            bus.publish([b"x"])
        with pytest.raises(BrokerUnavailable, match="refused"):
            bus.ping()
        assert time.monotonic() - started_at < 6


def test_waiting_for_the_broker_is_logged_with_the_reason_ever_less_often() -> None:
    with (
        capture_logs() as logs,
        closing(RabbitMessageBus("amqp://127.0.0.1:1/")) as bus,
        pytest.raises(BrokerUnavailable),
    ):
        bus.ping()
    assert {entry["event"] for entry in logs} == {"broker.waiting"}
    assert all("refused" in entry["reason"] and not entry["exc_info"] for entry in logs)
    delays = [entry["retry_in"] for entry in logs]
    assert len(delays) >= 3
    assert delays == sorted(delays)
    assert delays[0] <= 0.2


def test_silent_broker_confirms_nothing_and_holds_nobody_up(
    distant_bus: RabbitMessageBus, network: FaultyNetwork
) -> None:
    given_up = distant_bus._publisher._link.usable(1).session
    network.hear(server=False)
    started_at = time.monotonic()
    assert distant_bus.publish([b"x"] * 10) == [False] * 10
    assert time.monotonic() - started_at < 3
    network.hear()
    eventually(lambda: not given_up.is_open)
    assert distant_bus.publish([b"x"]) == [True]


def test_lost_connection_answers_at_once(
    distant_bus: RabbitMessageBus, network: FaultyNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "CONFIRM_TIMEOUT", 60)
    network.hear(server=False)
    threading.Timer(0.5, network.cut).start()
    assert distant_bus.publish([b"x"] * 10) == [False] * 10
    network.hear()
    assert distant_bus.publish([b"x"]) == [True]


def test_blocked_broker_is_unavailable_until_it_recovers(
    distant_bus: RabbitMessageBus, network: FaultyNetwork
) -> None:
    network.say_blocked()
    time.sleep(0.2)
    with pytest.raises(BrokerUnavailable, match="low on memory"):
        distant_bus.publish([b"x"])
    with pytest.raises(BrokerUnavailable, match="low on memory"):
        distant_bus.ping()
    network.say_unblocked()
    time.sleep(0.2)
    assert distant_bus.publish([b"x"]) == [True]


def test_broker_that_blocks_meanwhile_leaves_messages_unconfirmed(
    distant_bus: RabbitMessageBus, network: FaultyNetwork
) -> None:
    network.hear(client=False)
    threading.Timer(0.3, network.say_blocked).start()
    assert distant_bus.publish([b"x"] * 10) == [False] * 10
    network.say_unblocked()
    time.sleep(0.2)
    assert distant_bus.publish([b"x"]) == [True]


def test_closing_does_not_wait_for_a_broker_that_is_silent(
    distant_bus: RabbitMessageBus, network: FaultyNetwork
) -> None:
    network.say_blocked()
    started_at = time.monotonic()
    distant_bus.close()
    assert time.monotonic() - started_at < 5
    assert not [t for t in threading.enumerate() if t.name.startswith("rabbitmq")]


def test_closing_ends_the_thread_and_refuses_further_messages(bus: RabbitMessageBus) -> None:
    bus.publish([b"x"])
    bus.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("rabbitmq")]
    with pytest.raises(BrokerUnavailable, match="closed"):
        bus.publish([b"x"])
    bus.close()
