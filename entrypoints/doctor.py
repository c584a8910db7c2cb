"""Looks at everything around the service: whether it can run here."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sqlalchemy import Engine

from ..adapters.rabbitmq import diagnosis as of_broker
from ..adapters.sql import diagnosis as of_database
from ..adapters.system.clock import SystemClock
from ..adapters.system.diagnosis import Diagnosis, Verdict
from ..adapters.system.settings import InvalidSetting, Settings
from ..adapters.vendors.config import read_declared
from ..domain.errors import OrderAggregatorError
from .runtime.listening import require_free_port

# For the connections of many clients; each takes one.
ENOUGH_FILES = 4096


def examine(settings: Settings, engine: Callable[[], Engine]) -> Iterator[Diagnosis]:
    """Everything, one after the other; what cannot be looked at has failed."""
    # Those of the API, a worker and a sync.
    processes = settings.api_processes + 2
    now = SystemClock().now()
    yield from _safely(
        "database", "see DATABASE_URL", lambda: of_database.diagnose(engine(), now, processes)
    )
    yield from _safely("broker", "see BROKER_URL", lambda: _broker(settings))
    yield from _safely("vendors", "see VENDORS_FILE", lambda: _vendors(settings))
    yield from _safely("files", "see `ulimit -n`", _open_files)
    yield from _safely("metrics", "see METRICS_DIR", lambda: _metrics(settings))
    yield from _safely("port", "see HOST and PORT", lambda: _port(settings))


def _safely(
    subject: str, advice: str, look: Callable[[], Iterable[Diagnosis]]
) -> Iterator[Diagnosis]:
    try:
        yield from look()
    except (OrderAggregatorError, OSError) as error:
        yield Diagnosis(subject=subject, verdict=Verdict.FAIL, found=str(error), advice=advice)


def _broker(settings: Settings) -> Iterable[Diagnosis]:
    if settings.broker_url is None:
        return [Diagnosis(subject="broker", found="none: the outbox table is the queue")]
    return of_broker.diagnose(settings.broker_url)


def _vendors(settings: Settings) -> Iterable[Diagnosis]:
    if settings.vendors_file is None:
        yield Diagnosis(subject="vendors", found="the mock vendors")
        return
    declared, mistakes = read_declared(Path(settings.vendors_file))
    yield Diagnosis(subject="vendors", found=f"{settings.vendors_file} declares {len(declared)}")
    for mistake in mistakes:
        advice = "mend its entry; the others are synced"
        yield Diagnosis(
            subject="vendors", verdict=Verdict.WARN, found=mistake.expected, advice=advice
        )


def _open_files() -> Iterable[Diagnosis]:
    _now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = "no limit" if most == resource.RLIM_INFINITY else f"up to {most} open files"
    if most != resource.RLIM_INFINITY and most < ENOUGH_FILES:
        advice = "raise the hard limit (`ulimit -Hn`): each connection takes one"
        yield Diagnosis(subject="files", verdict=Verdict.WARN, found=found, advice=advice)
    else:
        yield Diagnosis(subject="files", found=found)


def _metrics(settings: Settings) -> Iterable[Diagnosis]:
    folder = Path(settings.metrics_dir or tempfile.gettempdir())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidSetting("METRICS_DIR", f"cannot write to {folder}")
    yield Diagnosis(subject="metrics", found=f"can be kept in {folder}")


def _port(settings: Settings) -> Iterable[Diagnosis]:
    address = f"{settings.host}:{settings.port}"
    try:
        require_free_port(settings.host, settings.port)
    except InvalidSetting as error:
        advice = "unless it is the API that listens there, see HOST and PORT"
        yield Diagnosis(subject="port", verdict=Verdict.WARN, found=error.expected, advice=advice)
    else:
        yield Diagnosis(subject="port", found=f"{address} is free")


def line(diagnosis: Diagnosis) -> str:
    """For people."""
    told = f"{diagnosis.verdict:<4}  {diagnosis.subject:<11}  {diagnosis.found}"
    return f"{told}; {diagnosis.advice}" if diagnosis.advice else told
