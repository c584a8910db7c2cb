"""A process says that it is at work while its loops turn."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import attrs
import pytest

from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.entrypoints import heartbeat
from order_aggregator.entrypoints.heartbeat import Heartbeat
from order_aggregator.entrypoints.runtime import liveness as module
from order_aggregator.entrypoints.runtime.liveness import SILENT_AFTER, Liveness


@attrs.define
class _Noted:
    stop: Event
    raises: Exception | None = None
    times: int = 0
    left: bool = False

    def __call__(self) -> None:
        self.times += 1
        if self.times == 3:
            self.stop.set()
        if self.raises is not None:
            raise self.raises

    def leave(self) -> None:
        self.left = True
        if self.raises is not None:
            raise self.raises


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY", 0.001)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass."""
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])

    def let_pass(seconds: float) -> None:
        now[0] += seconds

    return let_pass


def test_it_beats_until_it_is_told_to_stop_and_then_leaves() -> None:
    stop = Event()
    noted = _Noted(stop)
    with Heartbeat(noted, stop).running():
        assert stop.wait(10)
    assert (noted.times, noted.left) == (3, True)


@pytest.mark.parametrize("error", [StorageUnavailable("away")])
def test_it_goes_on_while_the_storage_is_away(error: Exception) -> None:
    stop = Event()
    noted = _Noted(stop, raises=error)
    Heartbeat(noted, stop).run()
    assert (noted.times, noted.left) == (3, True)


def test_a_process_of_which_something_hangs_says_nothing(
    passing: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That its thread lives says nothing of the work beside it."""
    stop, liveness = Event(), Liveness()
    monkeypatch.setattr(heartbeat, "liveness", liveness)
    noted = _Noted(stop)
    beat = Heartbeat(noted, stop, poke=lambda: liveness.beat("turning"))._beat
    with liveness.watching("turning"), liveness.watching("stuck"):
        passing(SILENT_AFTER)
        beat()
        assert noted.times == 1
        passing(1)
        beat()
        assert noted.times == 1
        liveness.beat("stuck")
        beat()
        assert noted.times == 2
