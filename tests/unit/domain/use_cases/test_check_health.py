"""What is wrong now, and what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from order_aggregator.adapters.memory import MemoryMessageBus
from order_aggregator.domain.errors import BrokerUnavailable
from order_aggregator.domain.order import OrderStatus
from order_aggregator.domain.ports.message_bus import DeadLetter
from order_aggregator.domain.ports.process_registry import ProcessKind
from order_aggregator.domain.ports.read_model import (
    UNDER_WAY,
    Pending,
    Progress,
    VendorStatus,
    Workload,
)
from order_aggregator.domain.ports.webhooks import WebhookStatus
from order_aggregator.domain.use_cases.check_health import (
    DEAD_AFTER,
    CheckHealth,
    NotWell,
    Observed,
    findings,
)
from order_aggregator.domain.use_cases.note_process import KEEP_DEAD, NoteProcess
from order_aggregator.testing.process_registry import make_process
from order_aggregator.testing.shop import Shop, next_order_id
from order_aggregator.testing.shop_work import NOW
from order_aggregator.testing.webhooks import make_webhook

LIMIT = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
NOTHING = Pending(count=0, since=None)
IDLE = Workload(
    orders=dict.fromkeys(UNDER_WAY, NOTHING),
    untried=NOTHING,
    retried=0,
    outbox=NOTHING,
    deliveries=0,
    dead_deliveries=0,
    unread_events={},
)
WELL = Observed(now=NOW, processes=[make_process("a")], workload=IDLE)
VENDOR = VendorStatus(
    vendor_id="acme",
    name="Acme",
    as_of=NOW,
    reported_at=NOW,
    products=1,
    rejected=0,
    stale=False,
    retired=False,
    quarantined_at=None,
)
HOOK = WebhookStatus(webhook=make_webhook("hook"), waiting=3, dead=0, problem=None)


def _found(**seen: Any) -> list[str]:
    return [each.problem for each in findings(attrs.evolve(WELL, **seen), LIMIT)]


def test_nothing_is_wrong() -> None:
    assert _found(vendors=[VENDOR], webhooks=[HOOK]) == []


def test_a_worker_is_alive_as_long_as_it_says_so() -> None:
    assert _found(now=NOW + DEAD_AFTER) == []
    assert _found(now=NOW + DEAD_AFTER + SECOND) == ["no worker is alive"]
    assert _found(processes=[make_process("a", ProcessKind.API)]) == ["no worker is alive"]


def test_a_backlog_is_too_old_beyond_the_limit() -> None:
    waiting = Pending(count=7, since=NOW - LIMIT)
    assert _found(workload=attrs.evolve(IDLE, untried=waiting)) == []
    older = attrs.evolve(waiting, since=NOW - LIMIT - SECOND)
    assert _found(workload=attrs.evolve(IDLE, untried=older)) == [
        "orders wait to be fulfilled, 7 of them, the oldest for 61 seconds"
    ]


def test_what_was_given_up_or_fails_again_and_again_needs_a_person() -> None:
    def reserved(attempts: int) -> Progress:
        return Progress(
            status=OrderStatus.RESERVED,
            attempts=attempts,
            problem="a bug" if attempts else None,
            announced_at=NOW,
            outbox_since=None,
        )

    oldest = {next_order_id(): reserved(0), next_order_id(): reserved(2)}
    assert _found(oldest=oldest, dead_letters=4) == [
        "messages were given up, 4 of them",
        "orders fail and are tried again, 1 of the oldest",
    ]


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"quarantined_at": NOW, "stale": True}, "vendor acme waits for approval"),
        ({"stale": True}, "vendor acme is stale"),
        ({"failures": 5, "problem": "no route"}, "vendor acme failed 5 times in a row"),
    ],
)
def test_vendors_that_are_sold_are_looked_after(state: dict[str, Any], problem: str) -> None:
    vendor = attrs.evolve(VENDOR, **state)
    assert _found(vendors=[vendor]) == [problem]
    assert _found(vendors=[attrs.evolve(vendor, retired=True)]) == []
    assert _found(vendors=[attrs.evolve(vendor, enabled=False)]) == []


def test_dead_deliveries_of_a_webhook_are_told() -> None:
    assert _found(webhooks=[attrs.evolve(HOOK, dead=2)]) == ["webhook hook has 2 dead deliveries"]


def _note(shop: Shop, process_id: str) -> NoteProcess:
    return NoteProcess(
        shop.storage.processes,
        shop.clock,
        process_id=process_id,
        kind=ProcessKind.WORKER,
        host="h",
        pid=1,
        version="1",
    )


def test_a_process_is_at_work_until_it_leaves_or_is_forgotten() -> None:
    shop = Shop()
    first, second = _note(shop, "first"), _note(shop, "second")
    first()
    started = shop.clock.now()
    shop.pass_time(seconds=5)
    first()
    [process] = shop.storage.processes.all()
    assert (process.started_at, process.last_seen) == (started, shop.clock.now())
    second()
    shop.clock.advance(KEEP_DEAD + SECOND)
    second()
    assert [each.id for each in shop.storage.processes.all()] == ["second"]
    second.leave()
    assert shop.storage.processes.all() == ()


def test_orders_that_nobody_fulfils_are_said() -> None:
    shop = Shop()
    check = CheckHealth(shop.storage, shop.bus, shop.clock, LIMIT)
    with pytest.raises(NotWell, match="no worker is alive: start `order-aggregator worker`"):
        check.require_working()
    shop.sync("acme", {"apple": 5})
    shop.accepted(apple=1)
    shop.clock.advance(LIMIT + SECOND)
    _note(shop, "worker")()
    with pytest.raises(NotWell, match="orders wait to be fulfilled, 1 of them, the oldest for 61"):
        check.require_working()
    [order] = shop.storage.read_model.orders(0, 1).items
    shop.fulfil(order)
    check.require_working()
    assert findings(check(), LIMIT) == []


class _AwayBus(MemoryMessageBus):
    """One that cannot be reached."""

    def dead_letters(self, *_: object, **__: object) -> list[DeadLetter]:
        raise BrokerUnavailable("no route")


def test_the_rest_is_told_while_the_broker_is_away() -> None:
    shop = Shop()
    _note(shop, "worker")()
    seen = CheckHealth(shop.storage, _AwayBus(), shop.clock, LIMIT)()
    assert [each.problem for each in findings(seen, LIMIT)] == ["the broker is away (no route)"]
