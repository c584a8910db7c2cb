"""Tell what is wrong now, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import attrs

from ..errors import BrokerUnavailable
from ..ports.clock import Clock
from ..ports.message_bus import DeadLetters
from ..ports.process_registry import Process, ProcessKind, Sample
from ..ports.read_model import Progress, ReadModel, VendorStatus, Workload
from ..ports.storage import Storage
from ..ports.webhooks import WebhookStatus

# A process says that it is at work every 5 seconds.
DEAD_AFTER = timedelta(seconds=20)
SAMPLED = timedelta(hours=1)
# Of each kind, so many are looked at.
LOOKED_AT = 1000
ORDERS_LOOKED_AT = 20


@attrs.frozen(kw_only=True)
class Observed:
    """What there is to be seen at a moment. Parts that were not looked at are empty."""

    now: datetime
    processes: Sequence[Process]
    workload: Workload
    # Reserved ones, the oldest first.
    oldest: Mapping[UUID, Progress] = attrs.field(factory=dict)
    vendors: Sequence[VendorStatus] = ()
    webhooks: Sequence[WebhookStatus] = ()
    dead_letters: int = 0
    # What processes have done in the last hour.
    samples: Sequence[Sample] = ()
    # Why the bus could not be asked; None: it was, or was not to be.
    bus_problem: str | None = None

    def is_alive(self, process: Process) -> bool:
        """Whether a process said lately that it is at work."""
        return self.now - process.last_seen <= DEAD_AFTER

    def retried(self) -> dict[UUID, Progress]:
        """The oldest orders that failed before."""
        return {key: each for key, each in self.oldest.items() if each.attempts}


@attrs.frozen(kw_only=True)
class Finding:
    """Something that needs a person."""

    problem: str
    advice: str
    # What it is about, such as "vendor", and of several which: its id.
    about: str
    subject: str | None = None

    def __str__(self) -> str:
        return f"{self.problem}: {self.advice}"


def findings(observed: Observed, backlog_limit: timedelta) -> list[Finding]:
    """What is wrong, the worst first."""
    return [
        *_work(observed, backlog_limit),
        *_given_up(observed),
        *_vendors(observed.vendors),
        *_webhooks(observed.webhooks),
    ]


def _work(observed: Observed, backlog_limit: timedelta) -> Iterator[Finding]:
    workers = [each for each in observed.processes if each.kind is ProcessKind.WORKER]
    if not any(map(observed.is_alive, workers)):
        yield Finding(
            problem="no worker is alive",
            advice="start `order-aggregator worker`",
            about="process",
        )
    since, count = observed.workload.untried.since, observed.workload.untried.count
    if since is not None and observed.now - since > backlog_limit:
        age = int((observed.now - since).total_seconds())
        yield Finding(
            problem=f"orders wait to be fulfilled, {count} of them, the oldest for {age} seconds",
            advice="start more workers, and see in their log and the relay's what they wait for",
            about="order",
        )


def _given_up(observed: Observed) -> Iterator[Finding]:
    if observed.bus_problem is not None:
        yield Finding(
            problem=f"the broker is away ({observed.bus_problem})",
            advice="orders are accepted, and wait; see `order-aggregator doctor`",
            about="broker",
        )
    if observed.dead_letters:
        yield Finding(
            problem=f"messages were given up, {observed.dead_letters} of them",
            advice="see `order-aggregator dead-letters list`, and replay or discard them",
            about="dead-letter",
        )
    retried = observed.retried()
    if retried:
        order_id, progress = next(iter(retried.items()))
        yield Finding(
            problem=f"orders fail and are tried again, {len(retried)} of the oldest",
            advice=f"the first is {order_id}: {progress.problem}",
            about="order",
            subject=str(order_id),
        )


def _vendors(vendors: Sequence[VendorStatus]) -> Iterator[Finding]:
    for each in vendors:
        if not each.retired and each.enabled and (told := _vendor(each)):
            problem, advice = told
            yield Finding(
                problem=f"vendor {each.vendor_id} {problem}",
                advice=advice,
                about="vendor",
                subject=each.vendor_id,
            )


def _vendor(vendor: VendorStatus) -> tuple[str, str] | None:
    if vendor.quarantined_at is not None:
        approve = "look at its feed, then `order-aggregator vendor approve` it"
        return "waits for approval", approve
    if vendor.breaker == "open":
        return f"failed {vendor.failures} times in a row", str(vendor.problem)
    if vendor.stale:
        return "is stale", "see `order-aggregator vendor show`; its next report mends it"
    return None


def _webhooks(webhooks: Sequence[WebhookStatus]) -> Iterator[Finding]:
    for each in webhooks:
        if each.dead:
            yield Finding(
                problem=f"webhook {each.webhook.id} has {each.dead} dead deliveries",
                advice="mend what listens there, then `order-aggregator webhook replay` it",
                about="webhook",
                subject=each.webhook.id,
            )


class NotWell(Exception):
    """What is wrong with the work; `args` say it."""


class CheckHealth:
    """Looks at what the storage and the bus know."""

    def __init__(
        self, storage: Storage, dead_letters: DeadLetters, clock: Clock, backlog_limit: timedelta
    ) -> None:
        """`clock` is the one that all processes share, where there is one."""
        self._storage = storage
        self._dead_letters = dead_letters
        self.clock = clock
        self.backlog_limit = backlog_limit

    def __call__(self) -> Observed:
        """Everything, as far as the bus answers. Raises StorageUnavailable."""
        count, problem = self._count_dead_letters()
        read_model: ReadModel = self._storage.read_model
        work = self._work()
        return attrs.evolve(
            work,
            samples=self._storage.processes.samples(work.now - SAMPLED),
            oldest=read_model.oldest_reserved(ORDERS_LOOKED_AT),
            vendors=read_model.vendors(0, LOOKED_AT).items,
            webhooks=self._storage.webhooks.page(0, LOOKED_AT).items,
            dead_letters=count,
            bus_problem=problem,
        )

    def _count_dead_letters(self) -> tuple[int, str | None]:
        try:
            return len(self._dead_letters.dead_letters(LOOKED_AT)), None
        except BrokerUnavailable as error:
            return 0, str(error)

    def require_working(self) -> None:
        """Raise NotWell unless orders are being fulfilled. Raises Unavailable. Quick."""
        if found := findings(self._work(), self.backlog_limit):
            raise NotWell("; ".join(map(str, found)))

    def _work(self) -> Observed:
        return Observed(
            now=self.clock.now(),
            processes=self._storage.processes.all(),
            workload=self._storage.read_model.workload(),
        )
