"""What every message bus promises.

Fixtures: `under_test` and `fragile`, a `BusUnderTest` each, the latter with consumers that can die
alone; `bus`, the bus of the former. All are empty.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Thread
from time import monotonic, sleep

import attrs
import pytest

from ..domain.errors import Unavailable
from ..domain.ports.message_bus import Consumer, DeadLetter, Delivery, MessageBus, QueueDepth
from .race import race

# Seconds in which a message that is there must arrive, and in which one that is not there does not.
PATIENCE = 15.0
QUIET = 0.2


@attrs.frozen(kw_only=True)
class BusUnderTest:
    """A message bus, and what a test can do to it from the side."""

    bus: MessageBus
    parked: Callable[[], list[bytes]]
    # Has the bus take back all that consumers hold.
    take_back: Callable[[], None]


def receive(consumer: Consumer, count: int, limit: int = 1000) -> list[Delivery]:
    """Receive so many messages, and no more."""
    deliveries: list[Delivery] = []
    end = monotonic() + PATIENCE
    while len(deliveries) < count and monotonic() < end:
        deliveries += consumer.receive(limit, 0.5)
    assert len(deliveries) == count
    return deliveries


def receive_one(consumer: Consumer) -> Delivery:
    """Receive the one message that is there."""
    [delivery] = receive(consumer, 1)
    return delivery


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    """What they say."""
    return [delivery.body for delivery in deliveries]


def is_empty(bus: MessageBus) -> bool:
    """Whether nothing is there to be consumed."""
    with bus.consume() as consumer:
        return consumer.receive(10, QUIET) == []


def numbered(count: int) -> list[bytes]:
    """So many messages."""
    return [b"%d" % number for number in range(count)]


def test_messages_are_delivered_in_order_and_confirmed(bus: MessageBus) -> None:
    assert bus.publish([b"1", b"2"]) == [True, True]
    assert bus.publish([b"3"]) == [True]
    with bus.consume() as consumer:
        deliveries = receive(consumer, 3)
        assert bodies(deliveries) == [b"1", b"2", b"3"]
        assert [delivery.attempt for delivery in deliveries] == [1, 1, 1]
        consumer.acknowledge(deliveries)


def test_every_body_arrives_as_it_was_sent(bus: MessageBus) -> None:
    messages = [b"", b"\x00", bytes(range(256)), b"'\"\\{},", "ä🍎".encode(), b"x" * 100_000]
    assert all(bus.publish(messages))
    with bus.consume() as consumer:
        deliveries = receive(consumer, len(messages))
        assert bodies(deliveries) == messages
        consumer.acknowledge(deliveries)


def test_a_bus_that_is_there_says_so(bus: MessageBus) -> None:
    bus.ping()


def test_nothing_published_is_nothing_sent(bus: MessageBus) -> None:
    assert bus.publish([]) == []
    assert is_empty(bus)


def test_a_consumer_waits_no_longer_than_it_was_told(bus: MessageBus) -> None:
    with bus.consume() as consumer:
        start = monotonic()
        assert consumer.receive(10, 0.3) == []
        assert 0.2 < monotonic() - start < 2
        start = monotonic()
        assert consumer.receive(10, 0) == []
        assert monotonic() - start < 1


def test_a_waiting_consumer_is_given_what_comes_in_meanwhile(bus: MessageBus) -> None:
    def publish_later() -> None:
        sleep(0.3)
        bus.publish([b"late"])

    with bus.consume() as consumer:
        publisher = Thread(target=publish_later)
        publisher.start()
        start = monotonic()
        deliveries = consumer.receive(10, PATIENCE)
        assert monotonic() - start < 5
        publisher.join()
        assert bodies(deliveries) == [b"late"]
        consumer.acknowledge(deliveries)


def test_no_more_is_received_than_asked_for(bus: MessageBus) -> None:
    bus.publish(numbered(10))
    with bus.consume() as consumer:
        deliveries: list[Delivery] = []
        while len(deliveries) < 10:
            part = consumer.receive(3, PATIENCE)
            assert 1 <= len(part) <= 3
            deliveries += part
        assert bodies(deliveries) == numbered(10)
        consumer.acknowledge(deliveries)


def test_an_acknowledged_message_never_comes_again(bus: MessageBus) -> None:
    bus.publish(numbered(5))
    with bus.consume() as consumer:
        deliveries = receive(consumer, 5)
        consumer.acknowledge(deliveries[:2])
        consumer.acknowledge(deliveries[2:])
        consumer.acknowledge([])
        assert consumer.receive(10, QUIET) == []
    assert is_empty(bus)


def test_messages_may_be_acknowledged_in_any_order(bus: MessageBus) -> None:
    bus.publish(numbered(6))
    with bus.consume() as consumer:
        deliveries = receive(consumer, 6)
        consumer.acknowledge([deliveries[5], deliveries[0]])
        consumer.acknowledge([deliveries[3]])
    with bus.consume() as consumer:
        left = receive(consumer, 3)
        assert sorted(bodies(left)) == [b"1", b"2", b"4"]
        consumer.acknowledge(left)
    assert is_empty(bus)


def test_nobody_else_receives_what_a_consumer_holds(bus: MessageBus) -> None:
    bus.publish([b"1"])
    with bus.consume() as first:
        delivery = receive_one(first)
        assert is_empty(bus)
        assert first.receive(10, 0) == []
        first.acknowledge([delivery])


def test_a_consumer_that_leaves_gives_back_what_it_has_not_settled(bus: MessageBus) -> None:
    bus.publish([b"1", b"2"])
    with bus.consume() as consumer:
        one, _two = receive(consumer, 2)
        consumer.acknowledge([one])
    with bus.consume() as consumer:
        delivery = receive_one(consumer)
        assert (delivery.body, delivery.attempt) == (b"2", 2)
        consumer.acknowledge([delivery])
    assert is_empty(bus)


def test_a_consumer_that_leaves_by_an_exception_does_so_too(bus: MessageBus) -> None:
    bus.publish([b"1"])

    def break_off() -> None:
        with bus.consume() as consumer:
            receive_one(consumer)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    with bus.consume() as consumer:
        delivery = receive_one(consumer)
        assert delivery.attempt == 2
        consumer.acknowledge([delivery])


def test_what_a_consumer_has_not_even_received_is_not_lost_when_it_leaves(bus: MessageBus) -> None:
    bus.publish(numbered(20))
    with bus.consume() as consumer:
        taken = consumer.receive(3, PATIENCE)
        consumer.acknowledge(taken)
    with bus.consume() as consumer:
        rest = receive(consumer, 20 - len(taken))
        assert sorted([*bodies(taken), *bodies(rest)]) == sorted(numbered(20))
        consumer.acknowledge(rest)


def test_a_retried_message_comes_again_after_about_its_delay(bus: MessageBus) -> None:
    bus.publish([b"1"])
    with bus.consume() as consumer:
        start = monotonic()
        consumer.retry([receive_one(consumer)], 0.8)
        assert monotonic() - start < 5
        delivery = receive_one(consumer)
        assert 0.7 < monotonic() - start < 6
        assert (delivery.body, delivery.attempt) == (b"1", 2)
        consumer.acknowledge([delivery])
    assert is_empty(bus)


def test_a_retried_message_keeps_nobody_waiting(bus: MessageBus) -> None:
    bus.publish([b"failing", b"1"])
    with bus.consume() as consumer:
        failing, other = receive(consumer, 2)
        start = monotonic()
        consumer.retry([failing], 60)
        consumer.acknowledge([other])
        bus.publish([b"2", b"3"])
        deliveries = receive(consumer, 2)
        assert bodies(deliveries) == [b"2", b"3"]
        assert monotonic() - start < 10
        consumer.acknowledge(deliveries)
        assert consumer.receive(10, QUIET) == []


def test_many_retried_messages_keep_nobody_waiting(bus: MessageBus) -> None:
    """More of them than any consumer would fetch in advance."""
    bus.publish(numbered(550))
    with bus.consume() as consumer:
        held = 0
        while held < 550:
            deliveries = consumer.receive(100, PATIENCE)
            assert deliveries
            consumer.retry(deliveries, 60)
            held += len(deliveries)
        bus.publish([b"other"])
        delivery = receive_one(consumer)
        assert delivery.body == b"other"
        consumer.acknowledge([delivery])


def test_a_message_does_not_wait_for_all_that_is_retried_before_it(bus: MessageBus) -> None:
    bus.publish(numbered(3_000))
    with bus.consume() as consumer:
        retried: set[bytes] = set()
        while len(retried) < 3_000:
            deliveries = consumer.receive(500, PATIENCE)
            assert deliveries
            consumer.retry(deliveries, 2)
            retried.update(bodies(deliveries))
        received = consumer.receive(100, PATIENCE)
        consumer.acknowledge(received)
        # So that most of the others are due, too.
        sleep(QUIET)
        bus.publish([b"other"])
        while len(received) < 3_001:
            more = consumer.receive(100, PATIENCE)
            assert more
            consumer.acknowledge(more)
            received += more
    # Not behind all of them, though some were in hand already.
    assert bodies(received).index(b"other") < 2_900
    assert sorted(bodies(received)) == sorted([*numbered(3_000), b"other"])


def test_messages_retried_together_come_again_without_those_that_are_settled(
    bus: MessageBus,
) -> None:
    bus.publish(numbered(300))
    with bus.consume() as consumer:
        deliveries = receive(consumer, 300)
        consumer.acknowledge(deliveries[200:])
        consumer.retry(deliveries, 0.5)
        consumer.retry([], 0)
        again = receive(consumer, 200)
        assert sorted(bodies(again)) == sorted(numbered(200))
        assert {delivery.attempt for delivery in again} == {2}
        consumer.acknowledge(again)
    assert is_empty(bus)


def test_each_return_counts_as_an_attempt(bus: MessageBus) -> None:
    bus.publish([b"1"])
    for first_attempt in (1, 4):
        with bus.consume() as consumer:
            for attempt in range(first_attempt, first_attempt + 3):
                delivery = receive_one(consumer)
                assert delivery.attempt == attempt
                if attempt < first_attempt + 2:
                    consumer.retry([delivery], 0)
    with bus.consume() as consumer:
        delivery = receive_one(consumer)
        assert delivery.attempt == 7
        consumer.acknowledge([delivery])


def test_a_message_that_waits_to_be_retried_survives_its_consumer(bus: MessageBus) -> None:
    bus.publish([b"1"])
    with bus.consume() as consumer:
        consumer.retry([receive_one(consumer)], 0.5)
    with bus.consume() as consumer:
        delivery = receive_one(consumer)
        assert (delivery.body, delivery.attempt) == (b"1", 2)
        consumer.acknowledge([delivery])
    assert is_empty(bus)


def test_a_parked_message_is_kept_where_nobody_consumes_it(under_test: BusUnderTest) -> None:
    bus = under_test.bus
    bus.publish([b"1", b"2", b"3"])
    with bus.consume() as consumer:
        one, two, three = receive(consumer, 3)
        consumer.park([(two, "cannot be read")])
        consumer.acknowledge([one])
        consumer.park([(three, "its order is unknown, 'truly'")])
        assert consumer.receive(10, QUIET) == []
    assert is_empty(bus)
    parked: list[bytes] = []
    end = monotonic() + PATIENCE
    while len(parked) < 2 and monotonic() < end:
        parked += under_test.parked()
    assert parked == [b"2", b"3"]


def test_messages_are_parked_together_without_those_that_are_settled(
    under_test: BusUnderTest,
) -> None:
    bus = under_test.bus
    bus.publish(numbered(300))
    with bus.consume() as consumer:
        deliveries = receive(consumer, 300)
        consumer.acknowledge(deliveries[200:])
        consumer.park([(each, f"reason {each.body!r}") for each in deliveries])
        consumer.park([])
        assert consumer.receive(10, QUIET) == []
    assert is_empty(bus)
    parked: list[bytes] = []
    end = monotonic() + PATIENCE
    while len(parked) < 200 and monotonic() < end:
        parked += under_test.parked()
    assert parked == numbered(200)


def test_two_consumers_share_the_messages_without_overlap(bus: MessageBus) -> None:
    bus.publish(numbered(1_000))

    def consume() -> list[bytes]:
        taken: list[bytes] = []
        with bus.consume() as consumer:
            while deliveries := consumer.receive(50, 1.0):
                assert all(delivery.attempt == 1 for delivery in deliveries)
                consumer.acknowledge(deliveries)
                taken += bodies(deliveries)
        return taken

    first, second = race([consume, consume])
    assert sorted([*first, *second]) == sorted(numbered(1_000))


def test_threads_share_a_consumer_without_overlap(bus: MessageBus) -> None:
    bus.publish(numbered(600))
    with bus.consume() as consumer:

        def take() -> list[bytes]:
            taken: list[bytes] = []
            while deliveries := consumer.receive(7, 1.0):
                consumer.acknowledge(deliveries)
                taken += bodies(deliveries)
            return taken

        taken = [body for part in race([take] * 4) for body in part]
    assert sorted(taken) == sorted(numbered(600))
    assert is_empty(bus)


def test_publishers_in_many_threads_lose_nothing(bus: MessageBus) -> None:
    def publish(sender: int) -> list[bytes]:
        messages = [b"%d-%d" % (sender, number) for number in range(60)]
        for position in range(0, 60, 10):
            assert bus.publish(messages[position : position + 10]) == [True] * 10
        return messages

    sent = race([partial(publish, sender) for sender in range(6)])
    with bus.consume() as consumer:
        deliveries = receive(consumer, 360)
        consumer.acknowledge(deliveries)
    received = bodies(deliveries)
    assert sorted(received) == sorted(message for messages in sent for message in messages)
    for messages in sent:
        assert [body for body in received if body in set(messages)] == messages
    assert is_empty(bus)


def test_a_batch_of_twenty_thousand_arrives_in_order(bus: MessageBus) -> None:
    messages = numbered(20_000)
    assert bus.publish(messages) == [True] * 20_000
    received: list[bytes] = []
    with bus.consume() as consumer:
        while len(received) < 20_000:
            deliveries = consumer.receive(1_000, PATIENCE)
            assert deliveries
            received += bodies(deliveries)
            consumer.acknowledge(deliveries)
    assert received == messages
    assert is_empty(bus)


def test_settling_after_leaving_changes_nothing(under_test: BusUnderTest) -> None:
    bus = under_test.bus
    bus.publish([b"1", b"2", b"3"])
    with bus.consume() as late:
        one, two, three = receive(late, 3)
    with bus.consume() as consumer:
        again = receive(consumer, 3)
        with suppress(Unavailable):
            late.acknowledge([one])
        with suppress(Unavailable):
            late.retry([two], 0)
        with suppress(Unavailable):
            late.park([(three, "too late")])
        assert is_empty(bus)
        consumer.acknowledge(again[:1])
    with bus.consume() as consumer:
        left = receive(consumer, 2)
        assert sorted(bodies(left)) == [b"2", b"3"]
        assert [delivery.attempt for delivery in left] == [3, 3]
        consumer.acknowledge(left)
    assert is_empty(bus)
    assert under_test.parked() == []


def test_what_the_bus_has_taken_back_is_delivered_again(fragile: BusUnderTest) -> None:
    """A connection was lost, or a lease ran out: the consumer may be dead, or only slow."""
    fragile.bus.publish([b"1", b"2"])
    with fragile.bus.consume() as consumer:
        assert [delivery.attempt for delivery in receive(consumer, 2)] == [1, 1]
        fragile.take_back()
        again = receive(consumer, 2)
        assert sorted(bodies(again)) == [b"1", b"2"]
        assert [delivery.attempt for delivery in again] == [2, 2]
        consumer.acknowledge(again)
        assert consumer.receive(10, QUIET) == []
    assert is_empty(fragile.bus)


def test_settling_what_the_bus_has_taken_back_changes_nothing(fragile: BusUnderTest) -> None:
    fragile.bus.publish([b"1", b"2", b"3"])
    with fragile.bus.consume() as consumer:
        old = receive(consumer, 3)
        fragile.take_back()
        again = receive(consumer, 3)
        consumer.acknowledge([old[0]])
        consumer.retry([old[1]], 0)
        consumer.park([(old[2], "too late")])
        assert consumer.receive(10, QUIET) == []
    with fragile.bus.consume() as consumer:
        left = receive(consumer, 3)
        assert sorted(bodies(left)) == sorted(bodies(again))
        assert [delivery.attempt for delivery in left] == [3, 3, 3]
        consumer.acknowledge(left)
    assert is_empty(fragile.bus)
    assert fragile.parked() == []


def test_settling_an_earlier_delivery_leaves_the_later_one_alone(bus: MessageBus) -> None:
    bus.publish([b"1"])
    with bus.consume() as consumer:
        first = receive_one(consumer)
        consumer.retry([first], 0)
        receive_one(consumer)
        consumer.acknowledge([first])
    with bus.consume() as consumer:
        assert receive_one(consumer).body == b"1"


def park_all(bus: MessageBus, messages: list[bytes], reason: str = "reason") -> list[DeadLetter]:
    """Publish and park them; the dead letters that they become."""
    before = len(bus.dead_letters(1_000))
    bus.publish(messages)
    with bus.consume() as consumer:
        consumer.park([(each, reason) for each in receive(consumer, len(messages))])
        return wait_for_letters(bus, before + len(messages))[before:]


def wait_for_letters(bus: MessageBus, count: int) -> list[DeadLetter]:
    """All that are parked, once there are so many: a broker takes its time."""
    end = monotonic() + PATIENCE
    while len(found := bus.dead_letters(1_000)) < count:
        assert monotonic() < end, "not parked"
        sleep(QUIET)
    return found


def letter_bodies(letters: list[DeadLetter]) -> list[bytes]:
    """What they say."""
    return [letter.body for letter in letters]


def test_dead_letters_are_listed_oldest_first_each_with_an_id_of_its_own(bus: MessageBus) -> None:
    assert bus.dead_letters(10) == []
    letters = park_all(bus, [b"1", b"2", b"2", b"\xff"], "it's broken")
    assert letter_bodies(letters) == [b"1", b"2", b"2", b"\xff"]
    assert len({letter.id for letter in letters}) == 4
    assert all(letter.reason and letter.attempts in (1, None) for letter in letters)
    now = datetime.now(UTC)
    for letter in letters:
        assert letter.parked_at is None or abs(now - letter.parked_at) < timedelta(minutes=2)


def test_looking_at_dead_letters_changes_nothing(bus: MessageBus) -> None:
    """However often: some brokers drop what is returned 20 times."""
    letters = park_all(bus, numbered(3))
    for _ in range(25):
        assert bus.dead_letters(10) == letters
    assert is_empty(bus)
    assert bus.find_dead_letters([letters[1].id]) == [letters[1]]
    assert bus.dead_letters(10) == letters


def test_dead_letters_are_listed_in_parts(bus: MessageBus) -> None:
    letters = park_all(bus, numbered(5))
    assert bus.dead_letters(2) == letters[:2]
    assert bus.dead_letters(2, after=letters[1].id) == letters[2:4]
    assert bus.dead_letters(2, after=letters[3].id) == letters[4:]
    assert bus.dead_letters(2, after=letters[4].id) == []


def test_dead_letters_are_found_by_their_ids_and_unknown_ids_are_passed_over(
    bus: MessageBus,
) -> None:
    letters = park_all(bus, numbered(4))
    wanted = {letters[2].id, "nonsense", letters[0].id, "", "-1", "0", "9" * 30, "²"}
    assert bus.find_dead_letters(wanted) == [letters[0], letters[2]]
    assert bus.find_dead_letters(["nonsense"]) == []
    assert bus.find_dead_letters([]) == []
    assert bus.replay(["nonsense"]) == bus.discard(["nonsense"]) == []
    assert bus.replay([]) == bus.discard([]) == []
    assert bus.dead_letters(10) == letters


def test_a_replayed_message_is_delivered_as_a_new_one_and_is_parked_no_longer(
    bus: MessageBus,
) -> None:
    bus.publish([b"a"])
    with bus.consume() as consumer:
        consumer.retry([receive_one(consumer)], 0)
        consumer.park([(receive_one(consumer), "twice")])
        [first] = wait_for_letters(bus, 1)
    letters = park_all(bus, [b"b", b"c", b"d"])
    assert first.attempts in (2, None)
    assert bus.replay([letters[1].id, first.id]) == [first, letters[1]]
    assert bus.dead_letters(10) == [letters[0], letters[2]]
    assert bus.replay([first.id]) == []
    with bus.consume() as consumer:
        deliveries = receive(consumer, 2)
        assert bodies(deliveries) == [b"a", b"c"]
        assert [delivery.attempt for delivery in deliveries] == [1, 1]
        consumer.acknowledge(deliveries)
    assert is_empty(bus)


def test_a_replayed_message_can_be_parked_and_replayed_again(bus: MessageBus) -> None:
    [letter] = park_all(bus, [b"1"])
    assert bus.replay([letter.id]) == [letter]
    with bus.consume() as consumer:
        consumer.park([(receive_one(consumer), "again")])
    end = monotonic() + PATIENCE
    while not (found := bus.dead_letters(10)) and monotonic() < end:
        sleep(QUIET)
    assert letter_bodies(found) == [b"1"]
    assert bus.replay([found[0].id]) == found
    with bus.consume() as consumer:
        consumer.acknowledge([receive_one(consumer)])
    assert bus.dead_letters(10) == []


def test_a_discarded_message_is_gone(bus: MessageBus) -> None:
    letters = park_all(bus, numbered(3))
    assert bus.discard([letters[1].id]) == [letters[1]]
    assert bus.discard([letters[1].id]) == []
    assert bus.dead_letters(10) == [letters[0], letters[2]]
    assert is_empty(bus)


def test_what_several_replay_at_once_is_delivered_once(bus: MessageBus) -> None:
    ids = [letter.id for letter in park_all(bus, numbered(20))]
    replayed = race([partial(bus.replay, ids)] * 3)
    assert sorted(b for letters in replayed for b in letter_bodies(letters)) == sorted(numbered(20))
    with bus.consume() as consumer:
        deliveries = receive(consumer, 20)
        consumer.acknowledge(deliveries)
    assert is_empty(bus)


def test_all_who_look_at_once_see_all_dead_letters(bus: MessageBus) -> None:
    letters = park_all(bus, numbered(20))
    assert race([partial(bus.dead_letters, 100)] * 3) == [letters] * 3


def _messages(depth: QueueDepth) -> tuple[int, int]:
    return depth.waiting, depth.parked


def test_a_queue_that_was_never_used_is_empty(bus: MessageBus) -> None:
    assert _messages(bus.depth()) == (0, 0)


def test_the_depth_tells_what_waits_and_what_is_parked(bus: MessageBus) -> None:
    bus.publish(numbered(5))
    _await_depth(bus, (5, 0))
    with bus.consume() as consumer:
        deliveries = receive(consumer, 5)
        consumer.park([(delivery, "no use") for delivery in deliveries[:2]])
        consumer.acknowledge(deliveries[2:4])
        assert bus.depth().consumers in (None, 1)
        consumer.retry(deliveries[4:], 0)
    _await_depth(bus, (1, 2))


def _await_depth(bus: MessageBus, expected: tuple[int, int]) -> None:
    """A broker may count a little late."""
    end = monotonic() + PATIENCE
    while _messages(bus.depth()) != expected and monotonic() < end:
        sleep(0.02)
    assert _messages(bus.depth()) == expected
