"""What every storage promises about what happened.

Fixtures: `storage`: an empty storage. `shop`: the use cases on it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import attrs

from ..domain.events import Event
from ..domain.ports.storage import Storage
from ..domain.ports.unit_of_work import UnitOfWork
from ..domain.stock import ProductLimits
from .shop import Feed, Shop, snapshot
from .shop_work import NOW, work

MINUTE = timedelta(minutes=1)


def _event(subject: str, sequence: int | None = None) -> Event:
    data = {"text": 'é "quoted" \\ \n', "number": 7}
    return Event(type="order.tested", subject=subject, at=NOW, data=data, sequence=sequence)


def _happen(storage: Storage, *subjects: str) -> None:
    work(storage, lambda uow: uow.events.append([_event(subject) for subject in subjects]))


def _subjects(storage: Storage, after: int = 0, limit: int = 100) -> list[list[str]]:
    batches = storage.event_feed.read(after, limit)
    return [[event.subject for event in batch.events] for batch in batches]


def test_events_come_back_as_they_went_in_a_batch_for_each_commit(storage: Storage) -> None:
    first, second = _event("a", 1), _event("b")

    def step(uow: UnitOfWork) -> None:
        uow.events.append([first])
        uow.events.append([])
        uow.events.append([second])

    work(storage, step)
    work(storage, lambda uow: uow.events.append([]))
    [batch] = storage.event_feed.read(0, 10)
    assert batch.events == (first, second)
    assert storage.event_feed.end() == batch.position


def test_nothing_is_left_of_what_was_rolled_back(storage: Storage) -> None:
    with storage.unit_of_work() as uow:
        uow.events.append([_event("a")])
    assert (storage.event_feed.read(0, 10), storage.event_feed.end()) == ([], 0)


def test_they_are_read_in_order_from_where_one_stopped(storage: Storage) -> None:
    for subject in "abc":
        _happen(storage, subject)
    first, second = storage.event_feed.read(0, 2)
    assert first.position < second.position
    assert _subjects(storage, after=first.position) == [["b"], ["c"]]
    assert _subjects(storage, after=storage.event_feed.end()) == []


def test_nobody_reads_a_later_one_before_an_earlier_one(storage: Storage) -> None:
    """Eight writers, two readers: each reads everything once, in the same order."""
    writers, each = 8, 25

    def write(number: int) -> None:
        for count in range(each):
            _happen(storage, f"{number}/{count}")

    def read(_number: int) -> list[str]:
        seen: list[str] = []
        position = 0
        while len(seen) < writers * each:
            for batch in storage.event_feed.read(position, 7):
                seen += [event.subject for event in batch.events]
                position = batch.position
        return seen

    with ThreadPoolExecutor(writers + 2) as pool:
        readers = [pool.submit(read, number) for number in range(2)]
        list(pool.map(write, range(writers)))
        first, second = (reader.result(60) for reader in readers)
    assert first == second
    assert len(set(first)) == writers * each
    for number in range(writers):
        own = [subject for subject in first if subject.startswith(f"{number}/")]
        assert own == [f"{number}/{count}" for count in range(each)]


def test_a_reader_begins_at_the_end_and_goes_on_where_it_stopped(storage: Storage) -> None:
    _happen(storage, "a")
    end = storage.event_feed.end()

    def claim(after: timedelta = timedelta(0)) -> int | None:
        now = NOW + after
        return work(storage, lambda uow: uow.events.claim("tests", now, now + MINUTE))

    assert claim() == end
    assert claim() is None
    work(storage, lambda uow: uow.events.advance("tests", end + 5))
    assert claim() == end + 5
    # Its claim has run out: whoever had it may be dead.
    assert claim(after=MINUTE) == end + 5
    assert work(storage, lambda uow: uow.events.claim("others", NOW, NOW + MINUTE)) == end


def test_the_oldest_are_forgotten_first(storage: Storage) -> None:
    for subject in "abc":
        _happen(storage, subject)
    later = NOW + MINUTE
    assert work(storage, lambda uow: uow.events.forget(NOW, 10)) == 0
    assert work(storage, lambda uow: uow.events.forget(later, 2)) == 2
    assert _subjects(storage) == [["c"]]
    end = storage.event_feed.end()
    assert work(storage, lambda uow: uow.events.forget(later, 2)) == 1
    _happen(storage, "d")
    assert _subjects(storage, after=end) == [["d"]]


def test_an_order_that_is_accepted_and_fulfilled_leaves_two_events(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    order = shop.accepted(apple=2)
    shop.fulfil(order)
    own = [event for event in shop.events() if event.subject == str(order.id)]
    assert [(event.type, event.sequence) for event in own] == [
        ("order.reserved", 1),
        ("order.fulfilled", 2),
    ]
    assert own[1].data["lines"] == [
        {
            "product_id": "apple",
            "quantity": 2,
            "allocations": [{"vendor_id": "acme", "quantity": 2}],
        }
    ]


def test_a_product_that_runs_out_low_and_back_says_so_once(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    shop.set_product("apple", None, ProductLimits(low_at=2))
    orders = [shop.accepted(apple=1) for _ in range(5)]
    shop.cancel(*(order.id for order in orders[3:]))
    types = [event.type for event in shop.events() if event.subject == "apple"]
    assert types == ["stock.back", "stock.low", "stock.out", "stock.back"]


def test_a_vendor_that_falls_silent_and_comes_back_says_so(shop: Shop) -> None:
    terms = Feed(snapshot("acme", {}, NOW)).terms
    silent = attrs.evolve(terms, max_age=MINUTE)
    shop.sync_vendor(Feed(snapshot("acme", {"apple": 5}, shop.clock.now()), silent))
    shop.pass_time(minutes=2)
    shop.withhold_stale_stock()
    shop.withhold_stale_stock()
    shop.sync_vendor(Feed(snapshot("acme", {"apple": 5}, shop.clock.now()), silent))
    types = [event.type for event in shop.events() if event.subject == "acme"]
    assert types == ["vendor.stale", "vendor.recovered"]
