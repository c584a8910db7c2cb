"""Says again and again that this process is at work, in a thread beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic
from typing import Protocol

from ..adapters.system.log import Log
from ..domain.errors import Conflict, Unavailable

log = Log()

EVERY = 5.0
# Seconds without a turn after which a loop counts as stuck: longer than all that it may wait for.
STUCK_AFTER = 30.0


class NoteProcess(Protocol):
    """The use case NoteProcess."""

    def __call__(self) -> None:
        """Note that this process is at work."""

    def leave(self) -> None:
        """Note that it ends."""


class Pulse:
    """When a loop last turned. It begins as if it just had."""

    def __init__(self) -> None:
        self._turned_at = monotonic()

    def turn(self) -> None:
        """To be called by the loop, in each turn."""
        self._turned_at = monotonic()

    def is_stuck(self) -> bool:
        """Whether it has not turned for long."""
        return monotonic() - self._turned_at > STUCK_AFTER


class Heartbeat:
    """The loop around the use case NoteProcess. A process of which a loop is stuck says nothing."""

    def __init__(
        self,
        note_process: NoteProcess,
        pulses: Sequence[Pulse],
        stop: Event,
        poke: Callable[[], None] = lambda: None,
    ) -> None:
        """`poke` is called before each beat, to have a loop turn that else might just wait."""
        self._note_process = note_process
        self._pulses = pulses
        self._stop = stop
        self._poke = poke

    def run(self) -> None:
        """Beat until told to stop."""
        while not self._stop.is_set():
            self._beat()
            self._stop.wait(EVERY)
        # Else it is seen to be gone a little later.
        with suppress(Unavailable, Conflict):
            self._note_process.leave()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run in a thread meanwhile; leaving, wait for its end, so `stop` must be set by then."""
        thread = Thread(target=self.run, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def _beat(self) -> None:
        self._poke()
        if any(pulse.is_stuck() for pulse in self._pulses):
            log.error("heartbeat.stuck", seconds=STUCK_AFTER)
            return
        try:
            self._note_process()
        except (Unavailable, Conflict) as error:
            log.warning("heartbeat.waiting", reason=str(error), seconds=EVERY)
        except Exception:
            log.exception("heartbeat.crashed")
