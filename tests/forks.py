"""The package's commands as processes that begin with most of it loaded.

Loading takes most of a second, more than nearly every command itself, and tests start hundreds.
So one process loads what they need, and each command is a fork of it, with a keeper that tells how
it ended. Run as a program, this module is that process.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

# Nothing that imports prometheus_client: it is told beforehand where processes meet.
LOADED = (
    "alembic.command",
    "flask_smorest",
    "gunicorn.app.base",
    "httpx",
    "order_aggregator.adapters.rabbitmq",
    "order_aggregator.adapters.vendors.directory",
    "order_aggregator.bootstrap",
    "order_aggregator.entrypoints.cli",
    "uvicorn",
)

# How pids and exit statuses are told.
_NUMBER = struct.Struct("!i")


class Fork:
    """A command that runs, as `subprocess.Popen` shows one."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        out: Path,
        err: Path,
    ) -> None:
        """Append what it writes to these files; it leads a session of its own."""
        self.args = list(command)
        self.returncode: int | None = None
        request = {
            "command": self.args,
            "folder": str(folder),
            "environment": dict(environment),
            "out": str(out),
            "err": str(err),
        }
        self._keeper = socket.socket(socket.AF_UNIX)
        self._keeper.connect(_address())
        self._keeper.sendall(json.dumps(request).encode() + b"\n")
        self.pid = self._hear()

    def poll(self) -> int | None:
        """The exit status, if it has ended; as a negative number, the signal that ended it."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit status. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if timeout is not None and not select.select([self._keeper], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = self._hear()
            self._keeper.close()
        return self.returncode

    def _hear(self) -> int:
        number: int
        (number,) = _NUMBER.unpack(self._keeper.recv(_NUMBER.size, socket.MSG_WAITALL))
        return number

    def send_signal(self, number: int) -> None:
        """Signal it, if it still runs."""
        if self.poll() is None:
            # Its keeper may be about to tell that it has ended.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryDirectory() as written:
        out, err = Path(written, "out"), Path(written, "err")
        fork = Fork(command, folder=folder, environment=environment, out=out, err=err)
        try:
            status = fork.wait(timeout)
        finally:
            fork.kill()
            fork.wait()
        return subprocess.CompletedProcess(command, status, out.read_text(), err.read_text())


@cache
def _address() -> str:
    """Where the process that forks listens; it ends with us."""
    folder = tempfile.TemporaryDirectory(prefix="forks-")
    address = f"{folder.name}/socket"
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    stdin, stdout = server.stdin, server.stdout
    assert stdin is not None
    assert stdout is not None
    assert stdout.read(1) == b"!"
    stdout.close()

    def end() -> None:
        stdin.close()
        server.wait()
        folder.cleanup()

    atexit.register(end)
    return address


def _serve(address: str) -> dict[str, Any] | None:
    """Fork for every connection, until standard input ends. In a fork, what it is to become."""
    for name in LOADED:
        importlib.import_module(name)
    assert "prometheus_client" not in sys.modules
    gc.freeze()
    # Keepers leave no zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(100)
        os.write(1, b"!")
        while listener.fileno() in select.select([listener.fileno(), 0], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    return _keep(connection)
    return None


def _keep(connection: socket.socket) -> dict[str, Any]:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request: dict[str, Any] = json.loads(connection.makefile().readline())
    pid = os.fork()
    if pid == 0:
        return request
    connection.sendall(_NUMBER.pack(pid))
    _, status = os.waitpid(pid, 0)
    connection.sendall(_NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(request: dict[str, Any]) -> None:
    os.setsid()
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["out"], append),
        (2, request["err"], append),
    ):
        opened = os.open(path, flags, 0o666)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # As Python does when it begins.
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.argv = ["order-aggregator", *request["command"]]


def _main(address: str) -> int:
    # The tests' modules are none of a command's business.
    del sys.path[0]
    request = _serve(address)
    if request is None:
        return 0
    _become(request)
    try:
        importlib.import_module("order_aggregator.entrypoints.console").main()
    except SystemExit as error:
        # click's are always numbers.
        return int(error.code or 0)
    return 0


def _end() -> None:
    """Leave without taking apart all that is loaded, which would have to be copied for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


if __name__ == "__main__":
    _status = 1
    # What was registered first is called last.
    atexit.register(_end)
    _status = _main(sys.argv[1])
