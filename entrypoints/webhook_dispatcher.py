"""Tells webhooks what happened, in threads of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread

import attrs

from ..adapters.system.log import Log
from ..domain.errors import Conflict, Unavailable
from ..domain.ports.webhooks import (
    ClaimedDeliveries,
    ListenerGone,
    ListenerUnreachable,
    WebhookSender,
)
from ..domain.use_cases.deliver_webhooks import DeliverWebhooks, FanOutEvents, Outcomes
from ..domain.webhooks import lanes
from .monitoring import relay as metrics

log = Log()

# How late an event is told at most, where nothing else holds it up.
POLL = timedelta(seconds=0.2)
# While there is no webhook.
IDLE_POLL = timedelta(seconds=1)
BACKOFF = timedelta(seconds=1)
THREADS = 32
# Deliveries to one webhook that are under way at once.
LANES = 4


@attrs.frozen
class _Round:
    """Some of a webhook's deliveries, under way."""

    claimed: ClaimedDeliveries
    futures: tuple[Future[Outcomes], ...]

    @property
    def is_done(self) -> bool:
        return all(future.done() for future in self.futures)


class WebhookDispatcher:
    """The loop around FanOutEvents and DeliverWebhooks.

    Each webhook has its own few threads, so that a slow one holds up no other.
    """

    def __init__(
        self, *, fan_out: FanOutEvents, deliver: DeliverWebhooks, sender: WebhookSender
    ) -> None:
        self._fan_out = fan_out
        self._deliver = deliver
        self._sender = sender
        self._stop = Event()
        self._wake = Event()
        self._rounds: dict[str, _Round] = {}
        # Webhooks that did not answer last time: one thread is enough to learn if they do.
        self._silent: set[str] = set()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run in a thread until the block ends."""
        thread = Thread(target=self.run, name="webhooks", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._sender.interrupt()
            self._wake.set()
            thread.join()

    def run(self) -> None:
        """Dispatch until told to stop."""
        with ThreadPoolExecutor(THREADS, "webhook") as pool:
            while not self._stop.is_set():
                try:
                    self._step(pool)
                except (Unavailable, Conflict) as error:
                    log.warning("webhooks.waiting", reason=str(error))
                    self._stop.wait(BACKOFF.total_seconds())
                except Exception:
                    log.exception("webhooks.crashed")
                    # What they were about is tried again when their leases are over.
                    self._rounds = {k: v for k, v in self._rounds.items() if not v.is_done}
                    self._stop.wait(BACKOFF.total_seconds())
            wait([future for each in self._rounds.values() for future in each.futures])
            # Else they are sent again, after the lease.
            with suppress(Unavailable, Conflict):
                self._settle()
        self._sender.close()

    def _step(self, pool: ThreadPoolExecutor) -> None:
        self._wake.clear()
        settled = self._settle()
        if not self._fan_out.is_wanted():
            self._wake.wait(IDLE_POLL.total_seconds())
            return
        read = self._fan_out()
        begun = self._begin(pool)
        if not (settled or read or begun):
            self._wake.wait(POLL.total_seconds())

    def _settle(self) -> int:
        """How many rounds were done."""
        done = [each for each in self._rounds.values() if each.is_done]
        for each in done:
            outcomes = [future.result() for future in each.futures]
            self._deliver.settle(each.claimed, outcomes)
            del self._rounds[each.claimed.webhook.id]
            self._note(each.claimed.webhook.id, outcomes)
        return len(done)

    def _note(self, webhook_id: str, outcomes: list[Outcomes]) -> None:
        errors = [each.error for each in outcomes if each.error is not None]
        if any(isinstance(error, ListenerUnreachable) for error in errors):
            self._silent.add(webhook_id)
        else:
            self._silent.discard(webhook_id)
        failed = [row for each in outcomes for row in each.failed]
        metrics.DELIVERED.inc(sum(len(each.delivered) for each in outcomes))
        if failed:
            dead = sum(row.due_at is None for row in failed)
            metrics.FAILED.inc(len(failed) - dead)
            metrics.DEAD.inc(dead)
            log.warning(
                "webhook.failed",
                webhook_id=webhook_id,
                deliveries=len(failed),
                dead=dead,
                reason=failed[0].problem,
            )
        if any(isinstance(error, ListenerGone) for error in errors):
            log.warning("webhook.disabled", webhook_id=webhook_id)

    def _begin(self, pool: ThreadPoolExecutor) -> int:
        """How many rounds were begun: no more than there are threads for."""
        under_way = sum(len(each.futures) for each in self._rounds.values())
        free = (THREADS - under_way) // LANES
        if free < 1:
            return 0
        claimed = self._deliver.claim(free, list(self._rounds))
        for each in claimed:
            self._rounds[each.webhook.id] = self._started(pool, each)
        return len(claimed)

    def _started(self, pool: ThreadPoolExecutor, claimed: ClaimedDeliveries) -> _Round:
        count = 1 if claimed.webhook.id in self._silent else LANES
        futures = [
            pool.submit(self._deliver.send, claimed.webhook, lane, self._stop.is_set)
            for lane in lanes(claimed.deliveries, count)
        ]
        for future in futures:
            future.add_done_callback(lambda _future: self._wake.set())
        return _Round(claimed, tuple(futures))
