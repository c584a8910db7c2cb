"""How a throwaway server runs: as a child process or a container, and who cleans up after us."""

from __future__ import annotations

import json
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

START_TIMEOUT = 120.0  # seconds


class ServerUnavailable(RuntimeError):
    """There is no such server to be had; the message says why or what to install."""


class Runner(Protocol):
    """Something that runs one server program."""

    def start(self) -> None:
        """Launch the program; it need not serve yet."""

    def stop(self) -> None:
        """Ask it to end in good order and wait until it has."""

    def kill(self) -> None:
        """End it as a crash would."""

    def running(self) -> bool:
        """Tell whether the program runs."""

    def log(self) -> str:
        """Return what it has written so far."""


@dataclass
class Server:
    """One throwaway server. Its port and data stay the same over `stop`, `kill` and `start`."""

    url: str
    runner: Runner
    ready: Callable[[], bool]

    def start(self) -> None:
        """Start the server unless it runs, and return once it serves clients."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            # After a kill a start may fail, while the last of the old processes are still ending.
            if not self.runner.running():
                self.runner.start()
            if self.ready():
                return
            time.sleep(0.1)
        raise ServerUnavailable(
            f"a server did not start; its log ends:\n{self.runner.log()[-2000:]}"
        )

    def stop(self) -> None:
        """End the server in good order."""
        self.runner.stop()

    def kill(self) -> None:
        """End the server with SIGKILL, so that it cannot write or say anything more."""
        self.runner.kill()


class Guard:
    """A process that cleans up once we are gone, even if we were killed.

    It waits for the end of a pipe whose other end only we hold, then runs the commands it was told
    last and removes the folder.
    """

    def __init__(self, folder: Path) -> None:
        # What we ourselves do in an orderly end: only a parent can see its children off entirely.
        self.before_end = ExitStack()
        self._commands: list[Sequence[str]] = []
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C must not end it before us.
            text=True,
        )

    def remember(self, command: Sequence[str]) -> None:
        """Have this command run at the end."""
        self._commands.append(command)
        self._report_batch()

    def forget(self, command: Sequence[str]) -> None:
        """Drop a command whose process has ended: the process id may become another's."""
        self._commands.remove(command)
        self._report_batch()

    def close(self) -> None:
        """Have everything cleaned up, and wait for it."""
        self.before_end.close()
        self._process.communicate()

    def _report_batch(self) -> None:
        assert self._process.stdin is not None
        print(json.dumps(self._commands), file=self._process.stdin, flush=True)


def clean_up(folder: Path) -> None:
    """Be the guard: wait for the end of the pipe, then run the commands and remove the folder."""
    commands: list[list[str]] = []
    for line in sys.stdin:
        commands = json.loads(line)
    for command in reversed(commands):
        subprocess.run(command, check=False)
    for _ in range(50):  # A process that is just ending may still write.
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


@dataclass
class Program:
    """A server program as our child process, logging into its folder."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    guard: Guard
    stop_signal: signal.Signals = signal.SIGTERM
    # What the guard sends first: a signal on which the program also ends its own children.
    abort_signal: signal.Signals = signal.SIGKILL
    # Whom to run it as, if not as ourselves.
    user: pwd.struct_passwd | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        """The id of its process, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Launch the program in a session of its own, where Ctrl-C does not reach it."""
        user = self.user
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=user and user.pw_uid,
                group=user and user.pw_gid,
                extra_groups=[] if user else None,
            )
        self.guard.remember(self._end(self._process.pid))

    def finish(self) -> int:
        """Run the program to its end and return its exit code."""
        self.start()
        assert self._process is not None
        process = self._process
        process.wait()
        self._ended(process)
        return process.returncode

    def running(self) -> bool:
        """Tell whether the program runs."""
        if self._process is not None and self._process.poll() is not None:
            self._ended(self._process)
        return self._process is not None

    def stop(self) -> None:
        """Send the signal that ends it in good order, and wait."""
        self._signal(self.stop_signal)

    def kill(self) -> None:
        """Send SIGKILL, and wait."""
        self._signal(signal.SIGKILL)

    def log(self) -> str:
        """Return what it has written so far."""
        return (self.folder / "server.log").read_text(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ended(self._process)

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        self.guard.forget(self._end(process.pid))
        self._process = None

    def _end(self, pid: int) -> Sequence[str]:
        """Signal the process, wait up to five seconds, kill it. Every system has a shell."""
        wait = f"for i in $(seq 50); do kill -0 {pid} || exit 0; sleep 0.1; done"
        return ["sh", "-c", f"kill -{self.abort_signal.value} {pid}; {wait}; kill -9 {pid}"]


class Container:
    """A server program in a Docker container."""

    def __init__(self, docker: str, name: str, options: Sequence[str], guard: Guard) -> None:
        self._docker = docker
        self._name = name
        guard.remember([docker, "rm", "--force", "--volumes", name])
        self._run("create", "--name", name, *options)

    def start(self) -> None:
        """Start the container."""
        self._run("start", self._name)

    def running(self) -> bool:
        """Tell whether the container runs."""
        return self._run("inspect", "--format", "{{.State.Running}}", self._name) == "true"

    def stop(self) -> None:
        """Stop the container with its own stop signal."""
        self._run("stop", self._name)

    def kill(self) -> None:
        """Kill the container."""
        if self.running():
            self._run("kill", self._name)

    def log(self) -> str:
        """Return what it has written so far."""
        return self._run("logs", self._name)

    def _run(self, *arguments: str) -> str:
        result = subprocess.run(
            [self._docker, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if result.returncode:
            raise ServerUnavailable(f"docker {arguments[0]} failed: {result.stderr.strip()}")
        # `docker logs` writes each stream where the program did.
        return (result.stdout + result.stderr).strip()


if __name__ == "__main__":
    clean_up(Path(sys.argv[1]))
