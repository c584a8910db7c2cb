"""A bus of one's own passes the suite: `pytest examples/test_compressing_bus.py`."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
import pytest

from order_aggregator import Consumer, DeadLetter, Delivery, MessageBus
from order_aggregator.adapters.sql import SqlMessageBus, create_engine, migrate
from order_aggregator.adapters.sql.message_bus import LEASE
from order_aggregator.adapters.system.clock import SystemClock
from order_aggregator.testing.message_bus import *  # noqa: F403 - the whole suite
from order_aggregator.testing.message_bus import BusUnderTest


class CompressingBus:
    """Sends messages through another bus, compressed."""

    def __init__(self, inner: MessageBus) -> None:
        self._inner = inner
        self.ping = inner.ping
        self.depth = inner.depth

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        """Compress, and hand on."""
        return self._inner.publish([zlib.compress(body) for body in bodies])

    def consume(self) -> CompressingConsumer:
        """A consumer that decompresses."""
        return CompressingConsumer(self._inner.consume())

    def dead_letters(self, limit: int, after: str | None = None) -> list[DeadLetter]:
        """What consumers have put aside, decompressed."""
        return decompressed(self._inner.dead_letters(limit, after))

    def find_dead_letters(self, ids: Collection[str]) -> list[DeadLetter]:
        """Those with these ids, decompressed."""
        return decompressed(self._inner.find_dead_letters(ids))

    def replay(self, ids: Collection[str]) -> list[DeadLetter]:
        """The other bus returns them to its queue as they are."""
        return decompressed(self._inner.replay(ids))

    def discard(self, ids: Collection[str]) -> list[DeadLetter]:
        """The other bus deletes them."""
        return decompressed(self._inner.discard(ids))


def decompressed(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """What they say, as it was published."""
    return [attrs.evolve(letter, body=zlib.decompress(letter.body)) for letter in letters]


class CompressingConsumer:
    """Receives what a CompressingBus sends."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner
        self.acknowledge = inner.acknowledge
        self.retry = inner.retry
        self.park = inner.park

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """What the other bus delivers, decompressed."""
        return [
            attrs.evolve(delivery, body=zlib.decompress(delivery.body))
            for delivery in self._inner.receive(limit, timeout)
        ]

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._inner.__exit__(exc_type, exc, traceback)


@attrs.define
class ClockAhead:
    """The system's clock, which can be put forward."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """The time, and what it was put forward by."""
        return SystemClock().now() + self.ahead

    def pass_lease(self) -> None:
        """Let the time be over for which a consumer may hold a message."""
        self.ahead += LEASE


@pytest.fixture
def under_test(tmp_path: Path) -> Iterator[BusUnderTest]:
    """The bus, and what the suite does to it from the side."""
    engine = create_engine(f"sqlite:///{tmp_path}/bus.db")
    migrate(engine)
    clock = ClockAhead()
    inner = SqlMessageBus(engine, clock)
    yield BusUnderTest(
        bus=CompressingBus(inner),
        parked=partial(parked_in, inner),
        take_back=clock.pass_lease,
    )
    engine.dispose()


def parked_in(inner: SqlMessageBus) -> list[bytes]:
    """What consumers have put aside."""
    return [zlib.decompress(body) for body, _reason in inner.parked]


@pytest.fixture
def fragile(under_test: BusUnderTest) -> BusUnderTest:
    """The same: its consumers can die alone."""
    return under_test


@pytest.fixture
def bus(under_test: BusUnderTest) -> MessageBus:
    """The bus alone."""
    return under_test.bus
