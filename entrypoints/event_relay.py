"""Publishes what happened, in a thread beside the relay, which never waits for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from ..adapters.system.log import Log
from ..domain.errors import Conflict, Unavailable
from .monitoring import relay as metrics

log = Log()

# Seconds between rounds while there is nothing new.
POLL = 0.2
# Seconds between attempts while the broker, or the storage, is away: doubling, and by chance up to
# a half less.
FIRST_BACKOFF = 0.2
LAST_BACKOFF = 5.0
CRASH_BACKOFF = 1.0


class EventRelay:
    """The loop around the use case PublishEvents."""

    def __init__(self, publish_events: Callable[[], int], stop: Event) -> None:
        self._publish_events = publish_events
        self._stop = stop
        self._backoff = FIRST_BACKOFF

    def run(self) -> None:
        """Publish until told to stop."""
        while not self._stop.is_set():
            self._stop.wait(self._round())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run in a thread meanwhile; leaving, wait for its end, so `stop` must be set by then."""
        thread = Thread(target=self.run, name="events", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def _round(self) -> float:
        """Publish once; the seconds to wait before the next time."""
        try:
            published = self._publish_events()
        except (Unavailable, Conflict) as error:
            delay = self._backoff * random.uniform(0.5, 1)  # noqa: S311
            self._backoff = min(2 * self._backoff, LAST_BACKOFF)
            log.warning("events.waiting", reason=str(error), seconds=round(delay, 1))
            return delay
        except Exception:
            # Whatever it was: the next round begins where this one did.
            log.exception("events.crashed")
            return CRASH_BACKOFF
        self._backoff = FIRST_BACKOFF
        if published:
            metrics.EVENTS.inc(published)
            log.debug("events.published", events=published)
        return 0 if published else POLL
