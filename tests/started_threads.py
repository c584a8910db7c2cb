"""Threads that a test starts, told from those that earlier tests have left to end."""

from __future__ import annotations

import threading


class StartedThreads:
    """Threads that began after this was made."""

    def __init__(self) -> None:
        self._earlier = set(threading.enumerate())

    def running(self) -> int:
        """How many of them have not ended."""
        return len(set(threading.enumerate()) - self._earlier)
