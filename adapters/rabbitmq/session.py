"""One connection to the broker, with one channel, from its opening to its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

from pika import SelectConnection
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.connection import Connection, Parameters
from pika.exceptions import StreamLostError

# Seconds that the broker has to answer when we close. While an alarm blocks us, it does not.
CLOSE_TIMEOUT = 3.0

Callback = Callable[[], None]


class Session:
    """A connection, served by the thread that calls `run`. Other threads may only `call`."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._loop = IOLoop()
        self._channel: Channel | None = None
        self._closing = False
        self._error: BaseException | None = None
        self._lock = Lock()
        self._calls: deque[Callback] = deque()
        self._over = False

    def run(self, opened: Callback) -> BaseException | None:
        """Connect, call `opened` with a channel at hand, and serve the connection until its end.

        Returns why it ended; None if `close` was called.
        """
        try:
            self._connection = SelectConnection(
                self._parameters,
                on_open_callback=lambda _connection: self._open_channel(opened),
                on_open_error_callback=self._ended,
                on_close_callback=self._ended,
                custom_ioloop=self._loop,
            )
            self._loop.start()
        except Exception as error:  # noqa: BLE001 - it is returned
            # Closed while it connects, pika trips over itself; that does not matter any more.
            if not self._closing:
                self._closing, self._error = True, error
        self._loop.close()
        with self._lock:
            self._over = True
        self._run_calls()
        return self._error

    def call(self, callback: Callback) -> bool:
        """Have the serving thread call this, after all earlier ones; False if it is too late.

        The connection may be gone when the callback runs: it has to look at `is_open`.
        """
        with self._lock:
            if self._over:
                return False
            self._calls.append(callback)
        self._loop.add_callback_threadsafe(self._run_calls)
        return True

    def call_later(self, delay: float, callback: Callback) -> None:
        """Call this after `delay` seconds, unless the connection has ended by then."""
        self._loop.call_later(max(0.0, delay), lambda: self._guarded(callback))

    @property
    def is_open(self) -> bool:
        """Whether the channel can be used."""
        return self._channel is not None and self._channel.is_open and not self._closing

    @property
    def channel(self) -> Channel:
        """The channel, once `opened` was called."""
        if self._channel is None:
            raise StreamLostError("there is no channel yet")
        return self._channel

    @property
    def connection(self) -> Connection:
        """The connection, once `opened` was called."""
        return self._connection

    def fail(self, error: BaseException) -> None:
        """End the connection, for this reason."""
        if not self._closing:
            self._error = error
            self.close()

    def close(self) -> None:
        """End the connection; the broker has already what was sent before."""
        if self._closing:
            return
        self._closing = True
        if not (self._connection.is_closed or self._connection.is_closing):
            self._connection.close()
            self._loop.call_later(CLOSE_TIMEOUT, self._abort)

    def _abort(self) -> None:
        error = StreamLostError("no answer to our close")
        # What pika itself calls when heartbeats stay away. There is no public way, and a broker
        # that an alarm has blocked answers no close until the alarm ends.
        self._connection._terminate_stream(error)  # type: ignore[attr-defined]  # noqa: SLF001

    def _open_channel(self, opened: Callback) -> None:
        def ready(channel: Channel) -> None:
            self._channel = channel
            self._guarded(opened)

        channel = self._connection.channel(on_open_callback=ready)
        channel.add_on_close_callback(lambda _channel, reason: self.fail(reason))

    def _ended(self, _connection: Connection, error: BaseException) -> None:
        if not self._closing:
            self._closing, self._error = True, error
        self._loop.stop()

    def _run_calls(self) -> None:
        while self._calls:
            self._guarded(self._calls.popleft())

    def _guarded(self, callback: Callback) -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - the session ends with it
            self.fail(error)
