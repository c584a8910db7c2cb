"""Python's garbage collector, set up for a process that serves for long."""

from __future__ import annotations

import gc

# New objects that are looked through at a time for what refers to itself. Little of it does.
THRESHOLD = 20_000


def reduce_gc() -> None:
    """To be called when everything is set up: what is here by now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD)
