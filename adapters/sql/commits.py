"""How many transactions this process has committed."""

from __future__ import annotations

from threading import Lock

_lock = Lock()
_untold = 0


def count_commit() -> None:
    """Count a transaction that was just committed."""
    global _untold  # noqa: PLW0603 - of the process, whatever storages it has
    with _lock:
        _untold += 1


def take_commits() -> int:
    """How many there were since this was last asked."""
    global _untold
    with _lock:
        told, _untold = _untold, 0
    return told
