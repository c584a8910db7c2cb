"""The time that all processes share which use a database."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.adapters.sql import clock as clock_module
from order_aggregator.domain.ports.clock import Clock
from order_aggregator.domain.stock import Vendor

SECOND = timedelta(seconds=1)


def _clock(engine: Engine) -> Clock:
    clock = SqlStorage(engine).clock
    assert clock is not None
    return clock


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_it_goes_like_any_other(database: str, request: pytest.FixtureRequest) -> None:
    clock = _clock(request.getfixturevalue(database))
    first = clock.now()
    assert abs(first - datetime.now(UTC)) < 5 * SECOND
    time.sleep(0.05)
    assert clock.now() - first >= timedelta(seconds=0.04)
    assert first.utcoffset() == timedelta(0)


class _Skewed(datetime):
    """The wall clock of a process, or of a machine, an hour ahead."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        del tz
        return datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_process_moves_it(
    database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = request.getfixturevalue(database)
    right = _clock(engine)
    right.now()
    monkeypatch.setattr(clock_module, "datetime", _Skewed)
    assert abs(_clock(engine).now() - right.now()) < 5 * SECOND


def test_after_a_boot_it_is_no_earlier_than_what_was_seen(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = SqlStorage(sqlite)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with storage.unit_of_work() as uow:
        uow.stock.accept_report(Vendor(id="acme", name="Acme"), ahead, ahead)
        uow.commit()
    assert _clock(sqlite).now() >= ahead
