"""Ports that nobody else uses, for what tests and benchmarks start."""

from __future__ import annotations

import os
import random
import socket

# The API and three mock vendors; who needs fewer takes the first ones.
IN_A_ROW = 4
# Below those that the system lends to outgoing connections: one of these could take a port while
# its server is down for a moment.
_LOWEST = 15_000
_OF_A_WORKER = 1_700
# Test processes side by side each look in ports of their own, and never twice at the same: it may
# be long before a port is listened on. The order is another each time, as whole runs may be side by
# side as well.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
_BEGIN = _LOWEST + _OF_A_WORKER * _WORKER
_ROWS = range(_BEGIN, _BEGIN + _OF_A_WORKER, IN_A_ROW)
_rows = iter(random.sample(_ROWS, len(_ROWS)))


def free_ports() -> int:
    """The first of four consecutive ports that nobody listens on."""
    for first in _rows:
        if all(map(_is_free, range(first, first + IN_A_ROW))):
            return first
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            # All addresses: RabbitMQ does not start with a port that is taken on any of them.
            probe.bind(("", port))
        except OSError:
            return False
    return True
