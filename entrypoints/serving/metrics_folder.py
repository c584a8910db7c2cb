"""Where the API's processes keep their metrics, so that each can answer for all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ...adapters.system.log import Log
from ...adapters.system.settings import Settings
from ..runtime.signals import on_parent_exit

log = Log()

PREFIX = "order-aggregator-metrics-"
# prometheus_client looks for it when it is imported.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Its files, of which each process has its own, and their size, in bytes.
FILE_KINDS = ("counter", "histogram", "gauge_livesum")
FILE_SIZE = 1024 * 1024


@contextmanager
def shared_metrics(settings: Settings) -> Iterator[None]:
    """Have the processes that are started meanwhile share their metrics.

    Where there is no room for them, each process counts by itself, and the log says so.
    """
    if settings.api_processes == 1:
        yield
        return
    place = Path(settings.metrics_dir or tempfile.gettempdir())
    try:
        folder, lock = _make_folder(place)
    except OSError as error:
        log.warning("api.metrics_not_shared", place=str(place), error=str(error))
        yield
        return
    os.environ[VARIABLE] = str(folder)
    with on_parent_exit(partial(_remove, folder, lock)):
        yield


def _remove(folder: Path, lock: int) -> None:
    os.environ.pop(VARIABLE, None)
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def reserve_room() -> None:
    """To be called in each process before prometheus_client is imported.

    It maps its files into memory: where the disk turns out to be full only then, the kernel ends
    the process. Without room, the process counts by itself.
    """
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return
    files = [Path(folder, f"{kind}_{os.getpid()}.db") for kind in FILE_KINDS]
    try:
        for path in files:
            with path.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, FILE_SIZE)
    except OSError as error:
        log.warning("api.metrics_not_shared", place=folder, error=str(error))
        for path in files:
            path.unlink(missing_ok=True)
        del os.environ[VARIABLE]


def _make_folder(place: Path) -> tuple[Path, int]:
    """A new folder, and the lock by which others see that we or our processes live."""
    place.mkdir(parents=True, exist_ok=True)
    for left in place.glob(f"{PREFIX}*"):
        _remove_if_dead(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    lock = _lock(folder)
    return folder, lock


def _remove_if_dead(folder: Path) -> None:
    with suppress(OSError):
        lock = _lock(folder)
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _lock(folder: Path) -> int:
    """A descriptor with a lock on the folder, which goes with the last process that has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
