"""Looking into a broker from the side, and a network to it that can fail."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pika
from pika.adapters.blocking_connection import BlockingChannel

from network import Network


@contextmanager
def channel_to(url: str) -> Iterator[BlockingChannel]:
    """A plain channel of the test's own."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        connection.close()


def depth(url: str, queue: str) -> int:
    """How many messages wait in a queue that exists."""
    with channel_to(url) as channel:
        return int(channel.queue_declare(queue, passive=True).method.message_count)


class FaultyNetwork(Network):
    """A network to a broker, which can also speak in the broker's name."""

    def say_blocked(self) -> None:
        """Tell the clients what a broker tells them that has run out of memory, and mean it."""
        self.hear(client=False)
        reason = b"low on memory"
        self._say(struct.pack(">HHB", 10, 60, len(reason)) + reason)

    def say_unblocked(self) -> None:
        """Tell the clients that this is over."""
        self._say(struct.pack(">HH", 10, 61))
        self.hear()

    def _say(self, method: bytes) -> None:
        frame = struct.pack(">BHL", 1, 0, len(method)) + method + b"\xce"
        for client in self.clients():
            client.sendall(frame)
