"""Says again and again that this process is at work, in a thread beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Protocol

from ..adapters.system.log import Log
from ..domain.errors import Conflict, Unavailable
from .runtime.liveness import SILENT_AFTER, liveness

log = Log()

EVERY = 5.0


class NoteProcess(Protocol):
    """The use case NoteProcess."""

    def __call__(self) -> None:
        """Note that this process is at work."""

    def leave(self) -> None:
        """Note that it ends."""


class Heartbeat:
    """The loop around the use case NoteProcess. A process of which a thread hangs says nothing."""

    def __init__(
        self, note_process: NoteProcess, stop: Event, poke: Callable[[], None] = lambda: None
    ) -> None:
        """`poke` is called before each beat, for a sign of life of what else might just wait."""
        self._note_process = note_process
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
        if (silence := liveness.silence()) > SILENT_AFTER:
            log.error("heartbeat.stuck", seconds=round(silence))
            return
        try:
            self._note_process()
        except (Unavailable, Conflict) as error:
            log.warning("heartbeat.waiting", reason=str(error), seconds=EVERY)
        except Exception:
            log.exception("heartbeat.crashed")
