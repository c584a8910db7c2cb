"""What every storage promises about webhooks.

Fixtures: `storage`: an empty storage. `shop`: the use cases on it.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import attrs

from ..domain.errors import Conflict
from ..domain.ports.storage import Storage
from ..domain.ports.webhooks import ClaimedDeliveries, WebhookStatus
from ..domain.webhooks import Message, Webhook
from .shop_work import NOW, work

MINUTE = timedelta(minutes=1)
SECRET = "whsec_" + "QUJD" * 8


def make_webhook(webhook_id: str, **fields: object) -> Webhook:
    given = {"url": "https://shop.example/hook", "secret": SECRET, "created_at": NOW} | fields
    return Webhook(id=webhook_id, **given)  # type: ignore[arg-type]


def _add(storage: Storage, *webhook_ids: str, **fields: object) -> None:
    for webhook_id in webhook_ids:
        work(storage, lambda uow, key=webhook_id: uow.webhooks.add(make_webhook(key, **fields)))  # type: ignore[misc]


def _message(name: str) -> Message:
    return Message(id=name, type="order.tested", subject=f"of {name}", body=f'{{"é": "{name}\\n"}}')


def _deliver(storage: Storage, webhook_id: str, *names: str, due_at: datetime = NOW) -> None:
    messages = [(webhook_id, _message(name)) for name in names]
    work(storage, lambda uow: uow.webhooks.add_deliveries(messages, due_at))


def _claim(
    storage: Storage, now: datetime = NOW, each: int = 100, busy: Collection[str] = ()
) -> list[ClaimedDeliveries]:
    return work(storage, lambda uow: uow.webhooks.claim(10, each, now, now + MINUTE, busy))


def _names(claimed: list[ClaimedDeliveries]) -> dict[str, list[str]]:
    return {x.webhook.id: [each.message_id for each in x.deliveries] for x in claimed}


def _release(storage: Storage, claimed: ClaimedDeliveries) -> None:
    work(storage, lambda uow: uow.webhooks.release(claimed))


def _status(storage: Storage, webhook_id: str) -> WebhookStatus:
    status = storage.webhooks.get(webhook_id)
    assert status is not None
    return status


def test_a_webhook_comes_back_as_it_went_in(storage: Storage) -> None:
    assert not storage.webhooks.is_any_enabled()
    added = make_webhook("b", types=("order.*", "stock.low"), position=7)
    work(storage, lambda uow: uow.webhooks.add(added))
    _add(storage, "a", enabled=False)
    assert storage.webhooks.is_any_enabled()
    assert work(storage, lambda uow: uow.webhooks.enabled()) == [added]
    page = storage.webhooks.page(1, 1)
    assert page.total == 2
    assert page.items == (WebhookStatus(webhook=added, waiting=0, dead=0, problem=None),)
    assert storage.webhooks.get("stranger") is None


def test_nothing_is_left_of_what_was_rolled_back(storage: Storage) -> None:
    _add(storage, "a")
    with storage.unit_of_work() as uow:
        uow.webhooks.add(make_webhook("b"))
        uow.webhooks.add_deliveries([("a", _message("1"))], NOW)
    assert (storage.webhooks.page(0, 10).total, _status(storage, "a").waiting) == (1, 0)
    assert not storage.webhooks.is_any_due(NOW)


def test_due_deliveries_are_claimed_in_order_by_one_alone(storage: Storage) -> None:
    _add(storage, "a", "b")
    _deliver(storage, "a", "3", "1", "2")
    _deliver(storage, "b", "later", due_at=NOW + MINUTE)
    assert storage.webhooks.is_any_due(NOW)
    first = _claim(storage, each=2)
    assert _names(first) == {"a": ["3", "1"]}
    [delivery, _] = first[0].deliveries
    assert (delivery.subject, delivery.body) == ("of 3", '{"é": "3\\n"}')
    assert (delivery.attempts, delivery.due_at, delivery.problem) == (0, NOW, None)
    assert _claim(storage) == []
    # Whoever had it may be dead.
    assert _names(_claim(storage, NOW + MINUTE)) == {"a": ["3", "1", "2"], "b": ["later"]}


def test_a_claim_is_given_up_unless_somebody_else_has_it(storage: Storage) -> None:
    _add(storage, "a")
    _deliver(storage, "a", "1")
    [old] = _claim(storage)
    [new] = _claim(storage, NOW + MINUTE)
    _release(storage, old)
    assert _claim(storage, NOW + MINUTE) == []
    _release(storage, new)
    assert _names(_claim(storage, NOW + MINUTE)) == {"a": ["1"]}


def test_why_attempts_failed_is_known_until_one_does_not(storage: Storage) -> None:
    _add(storage, "a", "b")
    for problem in ("it failed é", None):
        work(storage, lambda uow, text=problem: uow.webhooks.note_problem("a", text))  # type: ignore[misc]
        assert (_status(storage, "a").problem, _status(storage, "b").problem) == (problem, None)


def test_busy_and_disabled_webhooks_are_passed_over(storage: Storage) -> None:
    _add(storage, "a", "b", "c")
    for webhook_id in "abc":
        _deliver(storage, webhook_id, "1")
    work(storage, lambda uow: uow.webhooks.enable("c", enabled=False))
    assert _names(_claim(storage, busy=["a"])) == {"b": ["1"]}
    work(storage, lambda uow: uow.webhooks.enable("a", enabled=False))
    assert not storage.webhooks.is_any_due(NOW - MINUTE)
    work(storage, lambda uow: uow.webhooks.remove("b"))
    assert not storage.webhooks.is_any_due(NOW)


def test_what_arrived_is_removed_and_what_failed_is_due_later(storage: Storage) -> None:
    _add(storage, "a")
    _deliver(storage, "a", "1", "2", "3")
    [claimed] = _claim(storage)
    first, second, third = claimed.deliveries
    failed = attrs.evolve(second, attempts=1, due_at=NOW + MINUTE, problem="busy")
    dead = attrs.evolve(third, attempts=12, due_at=None, problem="é")
    work(storage, lambda uow: uow.webhooks.remove_deliveries([first.id, 10**9]))
    work(storage, lambda uow: uow.webhooks.remove_deliveries([]))
    work(storage, lambda uow: uow.webhooks.reschedule([failed, dead]))
    work(storage, lambda uow: uow.webhooks.reschedule([]))
    _release(storage, claimed)
    assert (_status(storage, "a").waiting, _status(storage, "a").dead) == (1, 1)
    assert _claim(storage) == []
    [later] = _claim(storage, NOW + MINUTE)
    assert later.deliveries == (failed,)
    assert storage.webhooks.dead("a", 0, 10).items == (dead,)


def test_dead_ones_are_replayed_as_if_never_tried(storage: Storage) -> None:
    _add(storage, "a", "b")
    for webhook_id in "ab":
        _deliver(storage, webhook_id, "1", "2", "3")
        work(storage, lambda uow, key=webhook_id: uow.webhooks.bury(key, "gone"))  # type: ignore[misc]
    page = storage.webhooks.dead("a", 1, 1)
    assert (page.total, [each.message_id for each in page.items]) == (3, ["2"])
    assert page.items[0].problem == "gone"

    def replay(*names: str) -> int:
        chosen = names or None
        return work(storage, lambda uow: uow.webhooks.replay("a", chosen, NOW))

    assert replay("2", "stranger") == 1
    assert work(storage, lambda uow: uow.webhooks.replay("a", [], NOW)) == 0
    assert _names(_claim(storage)) == {"a": ["2"]}
    assert replay() == 2
    assert (_status(storage, "a").dead, _status(storage, "b").dead) == (0, 3)


def test_a_message_that_waits_already_is_not_added_again(storage: Storage) -> None:
    _add(storage, "a", "b")
    _deliver(storage, "a", "1")
    _deliver(storage, "a", "1", "2")
    _deliver(storage, "b", "1")
    assert _names(_claim(storage)) == {"a": ["1", "2"], "b": ["1"]}


def test_a_removed_webhook_takes_its_deliveries_along(storage: Storage) -> None:
    _add(storage, "a", "b")
    _deliver(storage, "a", "1")
    _deliver(storage, "b", "1")
    assert work(storage, lambda uow: uow.webhooks.remove("a"))
    assert not work(storage, lambda uow: uow.webhooks.remove("a"))
    assert _names(_claim(storage)) == {"b": ["1"]}
    assert storage.webhooks.dead("a", 0, 10).total == 0


def test_many_that_claim_at_once_never_have_the_same(storage: Storage) -> None:
    """Eight claimers, ten webhooks: each is claimed once."""
    _add(storage, *map(str, range(10)))
    for number in range(10):
        _deliver(storage, str(number), "1")

    def claim(_number: int) -> list[str]:
        try:
            with storage.unit_of_work() as uow:
                claimed = uow.webhooks.claim(3, 1, NOW, NOW + MINUTE, [])
                uow.commit()
        except Conflict:
            return []
        return [each.webhook.id for each in claimed]

    with ThreadPoolExecutor(8) as pool:
        found = [key for keys in pool.map(claim, range(40)) for key in keys]
    assert sorted(found) == sorted(map(str, range(10)))
