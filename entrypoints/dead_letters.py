"""What an operator may ask and do about messages that were given up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from ..domain.batches import batches_of
from ..domain.errors import OrderAggregatorError
from ..domain.ports.message_bus import DeadLetter, DeadLetters
from ..domain.values import timestamp_text
from .documents import order_ids
from .runtime.tables import aligned

PAGE = 1_000
# Of a line of the table: the orders that it names, and the characters of the reason.
ORDERS_SHOWN = 2
REASON_SHOWN = 60

Settle = Callable[[Collection[str]], list[DeadLetter]]


class UnknownDeadLetter(OrderAggregatorError):
    """No message that is parked has one of these ids."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"no dead letter {', '.join(ids)}")


def listing(dead_letters: DeadLetters, limit: int | None = None) -> list[DeadLetter]:
    """So many, oldest first; or all."""
    found: dict[str, DeadLetter] = {}
    after = None
    while limit is None or len(found) < limit:
        size = PAGE if limit is None else min(PAGE, limit - len(found))
        page = dead_letters.dead_letters(size, after)
        new = {letter.id: letter for letter in page if letter.id not in found}
        if not new:
            break
        found |= new
        after = page[-1].id
    return list(found.values())


def show(dead_letters: DeadLetters, dead_letter_id: str) -> DeadLetter:
    """One of them; raises UnknownDeadLetter."""
    found = dead_letters.find_dead_letters([dead_letter_id])
    if not found:
        raise UnknownDeadLetter([dead_letter_id])
    return found[0]


def settle(dead_letters: DeadLetters, step: Settle, ids: Sequence[str]) -> list[DeadLetter]:
    """Replay or discard these, or raise UnknownDeadLetter and leave all as they are."""
    known = {letter.id for letter in dead_letters.find_dead_letters(ids)}
    if unknown := [key for key in dict.fromkeys(ids) if key not in known]:
        raise UnknownDeadLetter(unknown)
    return step(ids)


def settle_all(dead_letters: DeadLetters, step: Settle) -> list[DeadLetter]:
    """Replay or discard those that are parked now, though more may come meanwhile."""
    ids = [letter.id for letter in listing(dead_letters)]
    return [letter for batch in batches_of(ids, PAGE) for letter in step(batch)]


def table(letters: Sequence[DeadLetter]) -> Iterator[str]:
    """A line a message, in columns."""
    rows = [("ID", "PARKED", "ATTEMPTS", "REASON", "ORDERS")]
    rows += [
        (
            letter.id,
            "" if letter.parked_at is None else timestamp_text(letter.parked_at)[:19],
            "" if letter.attempts is None else str(letter.attempts),
            _shortened(letter.reason),
            _orders(letter),
        )
        for letter in letters
    ]
    return aligned(rows)


def details(letter: DeadLetter) -> Iterator[str]:
    """All of a message, in lines."""
    yield f"dead letter {letter.id}"
    yield f"  why it was given up: {letter.reason}"
    if letter.parked_at is not None:
        yield f"  when: {timestamp_text(letter.parked_at)}"
    if letter.attempts is not None:
        yield f"  attempts: {letter.attempts}"
    for order_id in order_ids(letter):
        yield f"  order {order_id}"
    # Like this, as it may have what a terminal would obey.
    yield f"  what it says: {letter.body!r}"


def _shortened(reason: str) -> str:
    return reason if len(reason) <= REASON_SHOWN else f"{reason[: REASON_SHOWN - 1]}…"


def _orders(letter: DeadLetter) -> str:
    ids = order_ids(letter)
    if not ids:
        return "unreadable"
    more = f" and {len(ids) - ORDERS_SHOWN} more" if len(ids) > ORDERS_SHOWN else ""
    return ", ".join(ids[:ORDERS_SHOWN]) + more
