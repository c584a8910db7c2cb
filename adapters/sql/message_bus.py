"""A message bus on the outbox table itself, so that one machine needs no broker.

Whoever uses it runs no relay: the committed messages are the queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from sqlalchemy import (
    Engine,
    Executable,
    Integer,
    ScalarSelect,
    Table,
    Text,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    update,
)

from ...domain.errors import BrokerUnavailable, CommitOutcomeUnknown, Conflict, Unavailable
from ...domain.ports.clock import Clock
from ...domain.ports.message_bus import Delivery, QueueDepth
from .bulk import Parameters, bulk_rows
from .connection import Rows
from .dead_letters import SqlDeadLetters
from .errors import read_errors_translated
from .outbox import OutboxStatements, add_messages, claim_where, is_due
from .schema import ROW_ID, TIMESTAMP, outbox, parked_messages
from .transaction import Transaction

# After so long without a settlement, a message is delivered to another consumer.
LEASE = timedelta(seconds=30)
# A backstop for messages that bring down their consumers: a worker gives up far earlier.
DELIVERY_LIMIT = 20
DELIVERY_LIMIT_EXCEEDED = "delivered too often"
# Seconds between looks at an empty queue.
SHORTEST_WAIT, LONGEST_WAIT = 0.02, 0.1

Claim = tuple[int, int]
SettlingStep = tuple[Executable, Parameters]


class SqlMessageBus:
    """MessageBus on SQL."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._outbox = OutboxStatements(engine.dialect)
        self._statements = _QueueStatements(engine)
        dead_letters = SqlDeadLetters(engine, clock, self._outbox)
        self.dead_letters = dead_letters.listing
        self.find_dead_letters = dead_letters.find
        self.replay = dead_letters.replay
        self.discard = dead_letters.discard

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        """All or none, in one transaction."""
        try:
            with Transaction(self._engine) as transaction:
                add_messages(transaction, self._outbox, bodies, self._clock.now())
                transaction.commit()
        except CommitOutcomeUnknown:
            return [False] * len(bodies)
        except (Unavailable, Conflict) as error:
            raise BrokerUnavailable(f"nothing was sent: {error}") from error
        return [True] * len(bodies)

    def consume(self) -> SqlConsumer:
        """A new consumer."""
        return SqlConsumer(self._engine, self._clock, self._statements)

    def depth(self) -> QueueDepth:
        """Counted, what consumers hold included."""
        with read_errors_translated(), self._engine.connect() as connection:
            row = connection.execute(self._statements.depth).one()
        return QueueDepth(waiting=row.waiting, parked=row.parked, consumers=None)

    def ping(self) -> None:
        """By a look at the queue."""
        with read_errors_translated(), self._engine.connect() as connection:
            connection.execute(self._statements.anything_due, {"now": self._clock.now()})

    @property
    def parked(self) -> list[tuple[bytes, str]]:
        """The parked messages with their reasons, oldest first."""
        listing = select(parked_messages).order_by(parked_messages.c.id)
        with read_errors_translated(), self._engine.connect() as connection:
            return [(row.body, row.reason) for row in connection.execute(listing)]


def _count(table: Table) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).scalar_subquery()


class _QueueStatements:
    def __init__(self, engine: Engine) -> None:
        self.claims = bulk_rows(engine.dialect, id=ROW_ID, attempts=Integer())
        # A claim is over once another has counted the attempts up.
        held = tuple_(outbox.c.id, outbox.c.attempts).in_(
            select(self.claims.c.id, self.claims.c.attempts)
        )
        self.claim = claim_where()
        self.claim_first_deliveries = claim_where(outbox.c.attempts == 0)
        self.depth = select(
            _count(outbox).label("waiting"), _count(parked_messages).label("parked")
        )
        self.anything_due = select(exists().where(is_due()))
        self.remove = delete(outbox).where(held)
        self.give_back = update(outbox).values(due_at=bindparam("due", type_=TIMESTAMP)).where(held)
        self.reasons = bulk_rows(engine.dialect, id=ROW_ID, attempts=Integer(), reason=Text())
        kept = (
            outbox.c.id,
            outbox.c.body,
            outbox.c.attempts,
            self.reasons.c.reason,
            bindparam("now", type_=TIMESTAMP),
        )
        self.keep = insert(parked_messages).from_select(
            ["id", "body", "attempts", "reason", "parked_at"],
            select(*kept).where(
                outbox.c.id == self.reasons.c.id, outbox.c.attempts == self.reasons.c.attempts
            ),
        )

    def removing(self, claims: Iterable[Claim]) -> SettlingStep:
        """Delete what these claims hold."""
        return self.remove, self.claims.bind(sorted(claims))

    def giving_back(self, claims: Iterable[Claim], due: datetime | None) -> SettlingStep:
        """Make what these claims hold due then; None: at once."""
        return self.give_back, self.claims.bind(sorted(claims)) | {"due": due}

    def keeping(self, reasons: Mapping[Claim, str], now: datetime) -> SettlingStep:
        """Copy what these claims hold to where it is kept."""
        rows = [(*claim, reasons[claim]) for claim in sorted(reasons)]
        return self.keep, self.reasons.bind(rows) | {"now": now}


class SqlConsumer:
    """Consumer on SQL: a claim is a lease on a row of the outbox."""

    def __init__(self, engine: Engine, clock: Clock, statements: _QueueStatements) -> None:
        self._engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock
        self._statements = statements
        # Changed by its own methods alone: each is atomic, and several threads call us.
        self._unsettled: set[Claim] = set()
        self._with_returned = False

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Looks often at first, then less so."""
        end = monotonic() + timeout
        wait = SHORTEST_WAIT
        while True:
            deliveries = self._claim(limit) if self._anything_due() else []
            rest = end - monotonic()
            if deliveries or rest <= 0:
                return deliveries
            sleep(min(wait, rest))
            wait = min(wait * 2, LONGEST_WAIT)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Delete the rows."""
        claims = self._held(deliveries)
        self._settle(claims, self._statements.removing(claims))

    def retry(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """Make the rows due later."""
        claims = self._held(deliveries)
        due = self._clock.now() + timedelta(seconds=delay)
        self._settle(claims, self._statements.giving_back(claims, due))

    def park(self, reasons: Sequence[tuple[Delivery, str]]) -> None:
        """Move the rows, with the reasons."""
        claims = self._held(delivery for delivery, _reason in reasons)
        kept = {claim: reason for delivery, reason in reasons if (claim := delivery.tag) in claims}
        keeping = self._statements.keeping(kept, self._clock.now())
        self._settle(claims, keeping, self._statements.removing(claims))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        claims, self._unsettled = self._unsettled, set()
        # While the storage is away they come back too, only later: when their leases run out.
        with suppress(Unavailable):
            self._settle(claims, self._statements.giving_back(claims, None))

    def _anything_due(self) -> bool:
        with read_errors_translated(), self._reader.connect() as connection:
            answer = connection.execute(self._statements.anything_due, {"now": self._clock.now()})
            return bool(answer.scalar())

    def _claim(self, limit: int) -> list[Delivery]:
        now = self._clock.now()
        try:
            with Transaction(self._engine) as transaction:
                rows = self._claimed(
                    transaction, {"limit": limit, "now": now, "until": now + LEASE}
                )
                worn_out = [(key, count) for key, _, count in rows if count > DELIVERY_LIMIT]
                if worn_out:
                    kept = dict.fromkeys(worn_out, DELIVERY_LIMIT_EXCEEDED)
                    transaction.enqueue(*self._statements.keeping(kept, now))
                    transaction.enqueue(*self._statements.removing(worn_out))
                transaction.commit()
        except Conflict as error:
            raise BrokerUnavailable(f"nothing was received: {error}") from error
        fit = [row for row in sorted(rows) if row[2] <= DELIVERY_LIMIT]
        self._unsettled.update((key, count) for key, _, count in fit)
        return [Delivery(body=body, attempt=count, tag=(key, count)) for key, body, count in fit]

    def _claimed(self, transaction: Transaction, parameters: Parameters) -> Rows:
        """Every other time without those that were returned, if there are others.

        They may be many, and older, so that the others would wait for all of them.
        """
        self._with_returned = not self._with_returned
        rows: Rows = ()
        if not self._with_returned:
            rows = transaction.fetch_all(self._statements.claim_first_deliveries, parameters)
        return rows or transaction.fetch_all(self._statements.claim, parameters)

    def _held(self, deliveries: Iterable[Delivery]) -> set[Claim]:
        """The claims of these deliveries, without those that are settled already."""
        return self._unsettled.intersection(delivery.tag for delivery in deliveries)

    def _settle(self, claims: set[Claim], *steps: SettlingStep) -> None:
        if not claims:
            return
        try:
            with Transaction(self._engine) as transaction:
                for statement, parameters in steps:
                    transaction.enqueue(statement, parameters)
                transaction.commit()
        except Conflict as error:
            raise BrokerUnavailable(f"nothing was settled: {error}") from error
        self._unsettled.difference_update(claims)
