"""Looking into a broker from the side, and a network to it that can fail."""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Self
from urllib.parse import urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel


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


class FaultyNetwork:
    """Passes connections on to the broker. It can fall silent, or cut them."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{self._target.port}", f":{port}", 1)
        self._client_is_heard = True
        self._broker_is_heard = True
        # Each with the client's end first.
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._ended = Event()
        self._is_cut = Event()
        self._is_cut.set()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()
        self.cut()
        self._listener.close()

    def hear(self, *, client: bool = True, broker: bool = True) -> None:
        """From now on, pass on only what these say; the rest waits."""
        self._client_is_heard, self._broker_is_heard = client, broker
        time.sleep(0.1)

    def cut(self) -> None:
        """Close all connections; new ones are accepted."""
        self._is_cut.clear()
        while self._thread.is_alive() and not self._is_cut.wait(0.01):
            pass  # only the thread that watches the sockets may close them
        self._close_all()

    def _close_all(self) -> None:
        for pair in self._pairs:
            for end in pair:
                end.close()
        self._pairs.clear()

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
        for client, _broker in self._pairs:
            client.sendall(frame)

    def _run(self) -> None:
        while not self._ended.is_set():
            if not self._is_cut.is_set():
                self._close_all()
                self._is_cut.set()
            with selectors.DefaultSelector() as selector:
                selector.register(self._listener, selectors.EVENT_READ)
                for pair in self._pairs:
                    self._watch(selector, pair)
                ready = selector.select(0.02)
            for key, _events in ready:
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._pass_on(*key.data)

    def _watch(
        self, selector: selectors.BaseSelector, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        client, broker = pair
        if self._client_is_heard:
            selector.register(client, selectors.EVENT_READ, (client, broker, pair))
        if self._broker_is_heard:
            selector.register(broker, selectors.EVENT_READ, (broker, client, pair))

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        try:
            address = (self._target.hostname, self._target.port)
            self._pairs.append((client, socket.create_connection(address)))
        except OSError:
            client.close()

    def _pass_on(
        self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        try:
            data = source.recv(65536)
            sink.sendall(data)
        except OSError:
            data = b""
        if not data and pair in self._pairs:
            self._pairs.remove(pair)
            for end in pair:
                end.close()
