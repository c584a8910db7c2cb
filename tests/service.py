"""The service as its users run it: its own commands, as processes, on free loopback ports."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

import forks
from forks import Fork
from ports import free_ports

COMMAND = [sys.executable, "-m", "order_aggregator.entrypoints.cli"]
Process = Fork | subprocess.Popen[bytes]


def eventually(check: Callable[[], bool], within: float = 20.0, what: str = "") -> None:
    """Wait until it is true; fail if that takes too long."""
    end = time.monotonic() + within
    while not check():
        assert time.monotonic() < end, f"not within {within} s: {what or check}"
        time.sleep(0.02)


class Service:
    """Processes of one deployment, started and asked inside a `with` block, which ends them by pid.

    Commands may be called outside of it.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        port = free_ports()
        self.folder = folder
        self.api = f"http://127.0.0.1:{port}/v1/api"
        self.root = f"http://127.0.0.1:{port}"
        self.environment = {
            # Where units are counted, nobody else may buy.
            "MOCK_VENDORS_LIVELY": "no",
            **os.environ,
            "PORT": str(port),
            "MOCK_VENDORS_PORT": str(port + 1),
            "RETRY_DELAY": "0.05",
            **settings,
        }
        self.log = folder / "service.log"
        self._processes: list[Process] = []
        self._client: httpx.Client

    def __enter__(self) -> Self:
        # More threads than connections that may stay open would have httpx close one in use.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.Client(base_url=self.api, timeout=30, limits=limits)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if exc_type is not None:
            print(self.said())

    def said(self) -> str:
        """Everything that the processes have written."""
        return self.log.read_text() if self.log.exists() else ""

    def events_of(self, order_id: str) -> list[str]:
        """The names of the log's events that name an order."""
        return [json.loads(line)["event"] for line in self.said().splitlines() if order_id in line]

    def wait_until_said(self, text: str, within: float = 30.0) -> None:
        """Wait until one of the processes has written it."""
        eventually(lambda: text in self.said(), within, text)

    def start(self, *command: str) -> Fork:
        """Start a command and leave it running."""
        environment = self.environment
        process = Fork(
            command, folder=self.folder, environment=environment, out=self.log, err=self.log
        )
        self._processes.append(process)
        return process

    def start_program(self, *command: str) -> subprocess.Popen[bytes]:
        """Start any program with the service's settings and leave it running."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def running(self) -> list[Process]:
        """The processes that were started and have not ended."""
        return [process for process in self._processes if process.poll() is None]

    def kill_with_descendants(self, process: Process) -> None:
        """SIGKILL a process and all that it started."""
        for pid in [process.pid, *descendants(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def call(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return forks.run(command, self.folder, self.environment, timeout)

    def wait_until_ready(self, within: float = 30.0) -> None:
        """Wait until the API says that it is."""
        eventually(self._is_ready, within, "ready")

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.root}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def close_api(self) -> str:
        """Make a token, without which nobody is let in from then on; our calls show it."""
        options = ("--name", "tests", "--scope", "admin", "--json")
        token: str = json.loads(self.call("token", "create", *options).stdout)["token"]
        closed = httpx.codes.UNAUTHORIZED
        eventually(lambda: self._client.get("/stock").status_code == closed, what="closed")
        self._client.headers["Authorization"] = f"Bearer {token}"
        return token

    def get(self, path: str, **query: str) -> Any:
        """The body of a GET that succeeds."""
        answer = self._client.get(path, params=query)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def order(self, product_id: str, quantity: int = 1, key: str | None = None) -> httpx.Response:
        """POST an order."""
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"product_id": product_id, "quantity": quantity}
        return self._client.post("/order", json=body, headers=headers)

    def order_at_once(
        self, product_id: str, buyers: int, threads: int = 50
    ) -> list[httpx.Response]:
        """So many buyers of one unit each, all at the same time."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda _: self.order(product_id), range(buyers)))

    def wait_until_settled(self, within: float = 30.0) -> None:
        """Wait until no order is reserved any more."""
        eventually(
            lambda: self.get("/order", status="reserved") == [], within, "all orders settled"
        )

    def stock(self, product_id: str) -> dict[str, Any]:
        """A product's stock with its vendors."""
        stock: dict[str, Any] = self.get(f"/stock/{product_id}")
        return stock

    def verify(self) -> None:
        """Assert that every balance agrees with the ledger."""
        verified = self.call("verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def stop(process: Process, number: int = signal.SIGTERM) -> int:
    """Signal a process and wait for its end; its exit status."""
    process.send_signal(number)
    return process.wait(30)


def children(pid: int) -> list[int]:
    """The processes that this process has started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in listed.stdout.split()]


def descendants(pid: int) -> list[int]:
    """The processes that this process and its descendants have started."""
    return [found for child in children(pid) for found in (child, *descendants(child))]


def alive(pid: int) -> bool:
    """Whether this process runs."""
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()[:1] not in ("", "Z")


@contextmanager
def nobody_writes(service: Service) -> Iterator[None]:
    """Hold the turn to write in the embedded database, so that orders wait."""
    with (service.folder / "data/order_aggregator.db.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
