"""Ports that nobody else uses, for what tests and benchmarks start."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

# The API and three mock vendors; who needs fewer takes the first ones.
IN_A_ROW = 4
# Below those that the system lends to outgoing connections: one of these could take a port while
# its server is down for a moment.
_ROWS = range(15_000, 32_000, IN_A_ROW)
_rows = iter(random.sample(_ROWS, len(_ROWS)))
# It may be long before a port is listened on, and other tests run beside these: a row is theirs
# whose lock they hold, until their process ends.
_LOCKS = Path(tempfile.gettempdir()) / f"order-aggregator-ports-{os.getuid()}"
_held: list[IO[bytes]] = []


def free_ports() -> int:
    """The first of four consecutive ports that nobody listens on, nor was given."""
    for first in _rows:
        if _is_ours(first) and all(map(_is_free, range(first, first + IN_A_ROW))):
            return first
    raise AssertionError("no free ports")


def _is_ours(first: int) -> bool:
    _LOCKS.mkdir(exist_ok=True)
    lock = (_LOCKS / str(first)).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _held.append(lock)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            # All addresses: RabbitMQ does not start with a port that is taken on any of them.
            probe.bind(("", port))
        except OSError:
            return False
    return True
