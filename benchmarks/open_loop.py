"""A load generator that orders at a given rate, whether or not it is answered.

Arrivals are a Poisson process with a fixed seed. Latency is counted from the moment at which an
order was due: one that waits because every connection is busy has begun to wait all the same.
Prints JSON; latencies in milliseconds.
"""

from __future__ import annotations

import gc
import json
import random
import select
import selectors
import socket
from collections import deque
from collections.abc import Sequence
from time import perf_counter

import attrs
import click

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
# Seconds that answers may take after the last order was due.
PATIENCE = 15.0
MAX_CONNECTIONS = 2_000
HEADERS_END = b"\r\n\r\n"
LENGTH = b"content-length:"


@attrs.define(kw_only=True, eq=False)
class Connection:
    """A connection that is kept alive; it carries one request at a time."""

    socket: socket.socket
    due: float = 0.0
    received: bytes = b""


@attrs.define(kw_only=True)
class Generator:
    """The orders, and what became of those that were sent."""

    address: tuple[str, int]
    requests: Sequence[bytes]
    latencies: dict[int, list[float]] = attrs.field(factory=dict)
    broken: int = 0
    _selector: selectors.DefaultSelector = attrs.field(factory=selectors.DefaultSelector)
    _idle: list[Connection] = attrs.field(factory=list)
    _opened: int = 0
    _waiting: deque[tuple[float, bytes]] = attrs.field(factory=deque)

    def run(self, arrivals: Sequence[float], choice: random.Random) -> None:
        """Send an order at each arrival, in seconds from now, and await the answers."""
        start = perf_counter()
        for arrival in arrivals:
            due = start + arrival
            # At least once, or a late generator would never see an answer.
            self._receive(max(0.0, due - perf_counter()))
            while (left := due - perf_counter()) > 0:
                self._receive(left)
            self._send(due, choice.choice(self.requests))
        end = perf_counter() + PATIENCE
        while self._pending() and perf_counter() < end:
            self._receive(0.1)

    def _pending(self) -> int:
        return self._opened - len(self._idle) + len(self._waiting)

    def _send(self, due: float, request: bytes) -> None:
        if not self._idle and self._opened < MAX_CONNECTIONS:
            self._open()
        if not self._idle:
            self._waiting.append((due, request))
            return
        connection = self._idle.pop()
        connection.due = due
        try:
            connection.socket.sendall(request)
        except OSError:
            self._drop(connection)

    def _open(self) -> None:
        opened = socket.create_connection(self.address)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        connection = Connection(socket=opened)
        self._selector.register(opened, selectors.EVENT_READ, connection)
        self._opened += 1
        self._idle.append(connection)

    def _receive(self, within: float) -> None:
        # The selector itself would round the time up to whole milliseconds.
        if within and not select.select([self._selector.fileno()], [], [], within)[0]:
            return
        for key, _ in self._selector.select(0):
            self._read(key.data)

    def _read(self, connection: Connection) -> None:
        try:
            received = connection.socket.recv(65_536)
        except OSError:
            received = b""
        if not received:
            self._drop(connection)
            return
        connection.received += received
        if not is_complete(connection.received):
            return
        status = int(connection.received[9:12])
        latency = (perf_counter() - connection.due) * 1000
        self.latencies.setdefault(status, []).append(latency)
        connection.received = b""
        self._idle.append(connection)
        if self._waiting:
            self._send(*self._waiting.popleft())

    def _drop(self, connection: Connection) -> None:
        self.broken += 1
        self._opened -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()


def is_complete(answer: bytes) -> bool:
    """Whether an answer has arrived as far as its Content-Length says."""
    head = answer.find(HEADERS_END)
    if head < 0:
        return False
    headers = answer[:head].lower()
    at = headers.find(LENGTH)
    length = 0 if at < 0 else int(headers[at + len(LENGTH) :].split(b"\r", 1)[0])
    return len(answer) >= head + len(HEADERS_END) + length


def request_for(host: str, product: int) -> bytes:
    """An order of one unit."""
    body = b'{"product_id": "sku-%d", "quantity": 1}' % product
    head = (
        f"POST /v1/api/order HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def arrivals_of(rate: float, seconds: float, choice: random.Random) -> list[float]:
    """Moments in seconds, until `seconds`."""
    timestamps: list[float] = []
    now = choice.expovariate(rate)
    while now < seconds:
        timestamps.append(now)
        now += choice.expovariate(rate)
    return timestamps


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """Of latencies in milliseconds."""
    ordered = sorted(latencies)
    found = {name: ordered[int(len(ordered) * part)] for name, part in PERCENTILES.items()}
    return {**found, "max": ordered[-1]}


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--rate", type=float, required=True, help="Orders a second.")
@click.option("--seconds", type=float, default=5.0)
@click.option("--products", default=1)
@click.option("--seed", default=1)
def main(port: int, rate: float, seconds: float, products: int, seed: int) -> None:
    """Order, and print what came of it."""
    choice = random.Random(seed)
    arrivals = arrivals_of(rate, seconds, choice)
    requests = [request_for(f"127.0.0.1:{port}", product) for product in range(products)]
    generator = Generator(address=("127.0.0.1", port), requests=requests)
    gc.disable()
    start = perf_counter()
    generator.run(arrivals, choice)
    took = perf_counter() - start
    answers = {status: len(found) for status, found in generator.latencies.items()}
    print(
        json.dumps(
            {
                "answers": answers,
                "unanswered": len(arrivals) - sum(answers.values()),
                "offered": len(arrivals) / seconds,
                "achieved": answers.get(202, 0) / took,
                "latency": {s: percentiles(found) for s, found in generator.latencies.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
