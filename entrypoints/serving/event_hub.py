"""Tells many listeners what happens, from one look at the events for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from ...adapters.cloud_events import place_of
from ...adapters.system.log import Log
from ...domain.errors import Conflict, Unavailable
from ...domain.events import Event
from ...domain.ports.event_log import EventBatch, EventFeed
from ...domain.ports.read_model import ReadModel
from ..api.events import (
    BATCHES,
    Feed,
    OrderFeed,
    Pulse,
    Subscription,
    as_message,
    missed,
    missed_of_order,
)

T = TypeVar("T")
log = Log()

# Seconds between looks, and after one that failed; and how many looks are made for nobody.
POLL = 0.1
MAX_IDLE = 50
BACKOFF = 1.0
# Seconds after which a stream without news says that it is there.
HEARTBEAT = 15.0
STILL_HERE = b": still here\n\n"
# What a listener is told that only wants to know that something happened, and how often.
CHANGED = b"data: changed\n\n"
PULSE = 1.0
# Events that a listener may have unread. It then has to come back for what it missed.
MAX_UNREAD = 1000


class LaggingError(Exception):
    """A listener does not read as fast as events happen."""


class _Listener:
    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.unread: deque[bytes] = deque()
        self.lagging = False
        self._woken = asyncio.Event()

    def tell(self, line: bytes) -> None:
        self.lagging = self.lagging or len(self.unread) >= MAX_UNREAD
        if not self.lagging:
            self.unread.append(line)
        self._woken.set()

    async def lines(self) -> bytes:
        """What has happened since, or that nothing has."""
        if not self.unread and not self.lagging:
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), HEARTBEAT)
            except TimeoutError:
                return STILL_HERE
        if self.lagging:
            raise LaggingError
        lines = b"".join(self.unread)
        self.unread.clear()
        return lines


class EventHub:
    """The listeners of one process. To be used in one event loop."""

    def __init__(self, feed: EventFeed, read_model: ReadModel) -> None:
        self._feed = feed
        self._read_model = read_model
        self._listeners: dict[str, set[_Listener]] = {}
        self._tail: asyncio.Task[None] | None = None
        # Up to where all listeners have been told.
        self._position = 0
        # Looking does not wait for other requests, nor they for it.
        self._thread = ThreadPoolExecutor(2, thread_name_prefix="events")

    def close(self) -> None:
        """Stop looking."""
        if self._tail is not None:
            self._tail.cancel()
        self._thread.shutdown(wait=False)

    async def stream(self, subscription: Subscription) -> AsyncIterator[bytes]:
        """What happens after what the subscription has read. Raises LaggingError or Unavailable."""
        await self._begin()
        with self._listening(subscription) as listener:
            since = self._position
            if isinstance(subscription, Pulse):
                while True:
                    yield await listener.lines()
                    await asyncio.sleep(PULSE)
            elif isinstance(subscription, OrderFeed):
                lines = await self._call(lambda: missed_of_order(self._read_model, subscription))
                if lines:
                    yield b"".join(lines)
                # What is told meanwhile was read just now; its sequence says so.
                listener.subscription = OrderFeed(
                    order_id=subscription.order_id, after=subscription.after + len(lines)
                )
                _forget_read(listener)
            else:
                async for lines in self._missed(subscription, since):
                    yield b"".join(lines)
            while True:
                yield await listener.lines()

    async def _missed(self, subscription: Feed, until: int) -> AsyncIterator[list[bytes]]:
        batches = missed(self._feed, subscription, until)
        while (found := await self._call(lambda: next(batches, None))) is not None:
            if found[1]:
                yield found[1]

    async def _begin(self) -> None:
        """Look at events from now on, unless that has begun."""
        if self._tail is None:
            self._begun = asyncio.get_running_loop().create_future()
            self._tail = asyncio.ensure_future(self._follow())
        await asyncio.shield(self._begun)

    async def _follow(self) -> None:
        self._position = await self._patiently(self._feed.end)
        self._begun.set_result(None)
        idle = 0
        while idle < MAX_IDLE:
            idle = 0 if self._listeners else idle + 1
            batches = await self._patiently(lambda: self._feed.read(self._position, BATCHES))
            for batch in batches:
                self._tell(batch)
                self._position = batch.position
            if not batches:
                await asyncio.sleep(POLL)
        self._tail = None

    async def _patiently(self, look: Callable[[], T]) -> T:
        while True:
            try:
                return await self._call(look)
            except (Unavailable, Conflict) as error:
                log.warning("events.waiting", reason=str(error))
            except Exception:
                # All listeners depend on this: it goes on, whatever it was.
                log.exception("events.crashed")
            await asyncio.sleep(BACKOFF)

    async def _call(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _tell(self, batch: EventBatch) -> None:
        for index, event in enumerate(batch.events):
            listeners = self._interested(event)
            if listeners:
                self._tell_each(listeners, event, place_of(batch, index))

    def _interested(self, event: Event) -> set[_Listener]:
        keys = ["", event.subject, *(x["product_id"] for x in event.data.get("lines", ()))]
        found: set[_Listener] = set()
        for key in keys:
            found |= self._listeners.get(key, set())
        return found

    @staticmethod
    def _tell_each(listeners: set[_Listener], event: Event, place: str) -> None:
        # Rendered once, however many there are.
        by_place = by_sequence = b""
        for listener in listeners:
            subscription = listener.subscription
            if isinstance(subscription, Pulse):
                if not listener.unread:
                    listener.tell(CHANGED)
            elif isinstance(subscription, OrderFeed):
                is_its = event.subject == str(subscription.order_id)
                if is_its and (event.sequence or 0) > subscription.after:
                    by_sequence = by_sequence or as_message(event, str(event.sequence), place)
                    listener.tell(by_sequence)
            elif subscription.wanted.wants(event):
                by_place = by_place or as_message(event, place, place)
                listener.tell(by_place)

    @contextmanager
    def _listening(self, subscription: Subscription) -> Iterator[_Listener]:
        key = _key(subscription)
        listener = _Listener(subscription)
        self._listeners.setdefault(key, set()).add(listener)
        try:
            yield listener
        finally:
            self._listeners[key].discard(listener)
            if not self._listeners[key]:
                del self._listeners[key]


def _key(subscription: Subscription) -> str:
    """By what its listener is found; empty for one that may want anything."""
    match subscription:
        case OrderFeed():
            return str(subscription.order_id)
        case Feed():
            return subscription.wanted.product_id or ""
        case Pulse():
            return ""


def _forget_read(listener: _Listener) -> None:
    subscription = listener.subscription
    if isinstance(subscription, OrderFeed):
        unread = [x for x in listener.unread if int(x[4 : x.index(b"\n")]) > subscription.after]
        listener.unread = deque(unread)
