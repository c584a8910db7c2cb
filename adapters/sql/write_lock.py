"""The lock of SQLite's one writer: the kernel queues those who wait for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import BoundedSemaphore, Thread

from sqlalchemy import Engine

from ...domain.errors import StorageUnavailable
from ..system.greenlets import run_in_thread
from .engine import file_of, lock_file_of, require_database

# Seconds: a writer that was stopped must not stop all others.
LOCK_TIMEOUT = 10.0
# Threads that wait for the lock, those included whose caller has given up.
MAX_WAITING = 100

_waiting = BoundedSemaphore(MAX_WAITING)


@contextmanager
def write_lock(engine: Engine) -> Iterator[None]:
    """Keep all other threads and processes from writing, where there is one writer at a time.

    SQLite's own busy handler would have them sleep and try again. Raises StorageUnavailable after
    LOCK_TIMEOUT seconds.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    require_database(file_of(engine.url))
    try:
        file = os.open(lock_file_of(engine.url), os.O_WRONLY | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageUnavailable(f"cannot write beside the database: {error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        run_in_thread(_wait_for_lock, file)
    try:
        yield
    finally:
        os.close(file)


def _wait_for_lock(file: int) -> None:
    """Lock the file, which is closed if that takes too long.

    The call has no timeout, so a thread makes it. When the caller gives up, the thread keeps the
    file until it gets the lock, and then lets go of both.
    """
    if not _waiting.acquire(blocking=False):
        os.close(file)
        raise StorageUnavailable("too many writers wait for the database")
    locked: Future[None] = Future()

    def lock() -> None:
        fcntl.flock(file, fcntl.LOCK_EX)
        _waiting.release()
        if locked.set_running_or_notify_cancel():
            locked.set_result(None)
        else:
            os.close(file)

    Thread(target=lock, name="write-lock", daemon=True).start()
    try:
        locked.result(LOCK_TIMEOUT)
    except TimeoutError:
        if locked.cancel():
            problem = f"another writer has held the database for {LOCK_TIMEOUT:g} s"
            raise StorageUnavailable(problem) from None
        locked.result()
