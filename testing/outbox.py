"""What every storage promises about messages that wait to be sent.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ..adapters.wire import decode, traces_of
from ..domain.ports.outbox import Backlog, OutboxMessage
from ..domain.ports.storage import Storage
from .race import race
from .shop_work import NOW, claimed, numbers, work

SECOND = timedelta(seconds=1)
LEASE_END = NOW + 30 * SECOND


def _put(storage: Storage, *numbers: int, at: datetime = NOW) -> None:
    """Announce orders of these numbers, each by itself."""
    order_ids = [UUID(int=number) for number in numbers]
    work(storage, lambda uow: uow.outbox.announce_individually(order_ids, at))


def _remove(storage: Storage, messages: Sequence[OutboxMessage]) -> None:
    work(storage, lambda uow: uow.outbox.remove([message.id for message in messages]))


def test_messages_are_claimed_oldest_first_up_to_the_limit(storage: Storage) -> None:
    _put(storage, 1, 2)
    _put(storage, 3)
    assert numbers(claimed(storage, LEASE_END, limit=2)) == [1, 2]
    assert numbers(claimed(storage, LEASE_END, limit=2)) == [3]
    assert claimed(storage, LEASE_END) == []


def test_orders_are_announced_together_or_each_by_itself(storage: Storage) -> None:
    order_ids = [UUID(int=number) for number in range(1, 31)]
    work(storage, lambda uow: uow.outbox.announce(order_ids, NOW))
    together = claimed(storage, LEASE_END)
    assert len(together) < len(order_ids)
    assert [key for message in together for key in decode(message.body)] == order_ids
    work(storage, lambda uow: uow.outbox.announce_individually(order_ids, NOW))
    assert numbers(claimed(storage, LEASE_END)) == list(range(1, 31))


def test_orders_that_are_traced_are_announced_with_their_traces(storage: Storage) -> None:
    order_ids = [UUID(int=number) for number in range(1, 31)]
    traces = {order_ids[3]: "00-a", order_ids[29]: "00-b"}
    work(storage, lambda uow: uow.outbox.announce(order_ids, NOW, traces))
    found = claimed(storage, LEASE_END)
    assert [key for message in found for key in decode(message.body)] == order_ids
    assert traces_of(message.body for message in found) == traces
    work(storage, lambda uow: uow.outbox.announce_individually(order_ids, NOW, traces))
    assert traces_of(message.body for message in claimed(storage, LEASE_END)) == traces


def test_a_message_is_due_whatever_the_clock_says(storage: Storage) -> None:
    _put(storage, 1)
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    assert numbers(claimed(storage, long_ago + SECOND, now=long_ago)) == [1]


def test_nobody_else_can_claim_a_message_until_its_lease_ends(storage: Storage) -> None:
    _put(storage, 1)
    first = claimed(storage, LEASE_END)
    assert claimed(storage, LEASE_END, now=LEASE_END - timedelta(microseconds=1)) == []
    assert claimed(storage, LEASE_END + SECOND, now=LEASE_END) == first


def test_a_claim_that_was_not_committed_is_none(storage: Storage) -> None:
    _put(storage, 1)
    with storage.unit_of_work() as uow:
        assert uow.outbox.claim(9, NOW, LEASE_END)
    assert numbers(claimed(storage, LEASE_END)) == [1]


def test_a_removed_message_never_comes_again(storage: Storage) -> None:
    _put(storage, 1, 2)
    one, two = claimed(storage, LEASE_END)
    _remove(storage, [one])
    assert claimed(storage, LEASE_END + SECOND, now=LEASE_END) == [two]
    _remove(storage, [one, two])
    assert claimed(storage, LEASE_END + SECOND, now=LEASE_END + SECOND) == []


def test_a_released_message_is_due_again_at_once_and_in_its_place(storage: Storage) -> None:
    _put(storage, 1, 2, 3)
    messages = claimed(storage, LEASE_END, limit=2)
    work(storage, lambda uow: uow.outbox.release([messages[0].id]))
    assert numbers(claimed(storage, LEASE_END)) == [1, 3]


def test_unknown_messages_are_passed_over(storage: Storage) -> None:
    _put(storage, 1)
    [message] = claimed(storage, LEASE_END)
    work(storage, lambda uow: uow.outbox.release([message.id, 987_654_321]))
    work(storage, lambda uow: uow.outbox.remove([987_654_321]))
    work(storage, lambda uow: uow.outbox.remove([]))
    work(storage, lambda uow: uow.outbox.release([]))
    _put(storage)
    assert claimed(storage, LEASE_END) == [message]
    _remove(storage, [message])
    work(storage, lambda uow: uow.outbox.release([message.id]))
    assert claimed(storage, LEASE_END + SECOND, now=LEASE_END) == []


def test_ids_grow_and_are_never_used_again(storage: Storage) -> None:
    """Or else a relay that comes back late would remove another's message."""
    _put(storage, 1)
    old = claimed(storage, LEASE_END)
    _remove(storage, old)
    _put(storage, 2)
    new = claimed(storage, LEASE_END)
    assert 0 < old[0].id < new[0].id


def test_no_message_is_claimed_twice_by_competing_claimers(storage: Storage) -> None:
    everything = list(range(400))
    _put(storage, *everything)

    def claim_all() -> list[int]:
        taken: list[int] = []
        while messages := claimed(storage, LEASE_END, limit=7):
            taken += numbers(messages)
        return taken

    taken = race([claim_all] * 6)
    assert sorted(number for part in taken for number in part) == sorted(everything)


def test_a_claimer_does_not_wait_for_another_that_is_still_at_it(storage: Storage) -> None:
    """Or it waits and then gets the rest: in no case the same messages."""
    _put(storage, 1, 2)
    with storage.unit_of_work() as uow:
        first = uow.outbox.claim(1, NOW, LEASE_END)
        uow.commit()
    second = claimed(storage, LEASE_END)
    assert (numbers(first), numbers(second)) == ([1], [2])


def test_the_backlog_is_all_that_waits_and_its_oldest(storage: Storage) -> None:
    def backlog() -> Backlog | None:
        return work(storage, lambda uow: uow.outbox.backlog())

    assert backlog() is None
    _put(storage, 1, at=NOW + SECOND)
    _put(storage, 2, 3)
    assert backlog() == Backlog(messages=3, since=NOW)
    messages = claimed(storage, LEASE_END, limit=3)
    assert backlog() == Backlog(messages=3, since=NOW)
    _remove(storage, messages[1:])
    assert backlog() == Backlog(messages=1, since=NOW + SECOND)
    _remove(storage, messages[:1])
    assert backlog() is None


def test_of_many_who_claim_the_alarm_one_gets_it_for_a_while(storage: Storage) -> None:
    def claim(now: datetime) -> bool:
        return work(storage, lambda uow: uow.outbox.claim_alarm(now, now - SECOND))

    assert sum(race([lambda: claim(NOW)] * 8)) == 1
    assert not claim(NOW + SECOND / 2)
    assert claim(NOW + SECOND)


def test_a_claim_to_the_alarm_that_is_not_committed_is_none(storage: Storage) -> None:
    with storage.unit_of_work() as uow:
        assert uow.outbox.claim_alarm(NOW, NOW - SECOND)
    assert work(storage, lambda uow: uow.outbox.claim_alarm(NOW, NOW - SECOND))
