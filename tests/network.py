"""A network to a server that can fail: real sockets, on loopback."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Self
from urllib.parse import urlsplit

# The client's end first.
Pair = tuple[socket.socket, socket.socket]


class Network:
    """Passes connections on to the server at this URL. It can fall silent, freeze or cut them."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{self._target.port}", f":{port}", 1)
        self._client_is_heard = True
        self._server_is_heard = True
        self._pairs: list[Pair] = []
        self._frozen: list[Pair] = []
        self._ended = Event()
        # Only the thread that watches the sockets may touch them.
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = Thread(target=self._run, name="network", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()
        self._close_all()
        self._listener.close()

    def hear(self, *, client: bool = True, server: bool = True) -> None:
        """From now on, pass on only what these say; the rest waits."""
        self._client_is_heard, self._server_is_heard = client, server
        time.sleep(0.1)

    def freeze(self) -> int:
        """Forward nothing on the connections that exist, and leave them open; how many these are.

        New ones work.
        """
        before = len(self._frozen)
        self._call(self._freeze_all)
        return len(self._frozen) - before

    def cut(self) -> None:
        """Close all connections; new ones are accepted."""
        self._call(self._close_all)

    def clients(self) -> list[socket.socket]:
        """The clients' ends."""
        return [client for client, _server in self._pairs]

    def _call(self, call: Callable[[], None]) -> None:
        done = Event()

        def run() -> None:
            call()
            done.set()

        self._calls.put(run)
        assert done.wait(10)

    def _freeze_all(self) -> None:
        self._frozen += self._pairs
        self._pairs.clear()

    def _close_all(self) -> None:
        self._freeze_all()
        for pair in self._frozen:
            for end in pair:
                end.close()
        self._frozen.clear()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._run_calls()
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

    def _run_calls(self) -> None:
        try:
            while True:
                self._calls.get_nowait()()
        except Empty:
            pass

    def _watch(self, selector: selectors.BaseSelector, pair: Pair) -> None:
        client, server = pair
        if self._client_is_heard:
            selector.register(client, selectors.EVENT_READ, (client, server, pair))
        if self._server_is_heard:
            selector.register(server, selectors.EVENT_READ, (server, client, pair))

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        try:
            address = (self._target.hostname, self._target.port)
            self._pairs.append((client, socket.create_connection(address)))
        except OSError:
            client.close()

    def _pass_on(self, source: socket.socket, sink: socket.socket, pair: Pair) -> None:
        try:
            data = source.recv(65536)
            sink.sendall(data)
        except OSError:
            data = b""
        if not data and pair in self._pairs:
            self._pairs.remove(pair)
            for end in pair:
                end.close()
