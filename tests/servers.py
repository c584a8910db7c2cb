"""Private, throwaway PostgreSQL and RabbitMQ servers, for tests and benchmarks.

    with postgres() as server:
        connect(server.url)
        server.kill()  # as if the machine had lost its power
        server.start()  # same port, same data

They listen on free loopback ports. The programs found on the machine are used, else Debian packages
(as root), else Docker. Servers that the machine already runs are never touched, and however the
calling program ends, nothing is left running.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import secrets
import signal
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ports import free_ports
from server_processes import Container, Guard, Program, Runner, Server, ServerUnavailable
from server_programs import PATH, find_docker, find_postgresql, find_rabbitmq, install

POSTGRESQL_IMAGE = "postgres:17-alpine"
RABBITMQ_IMAGE = "rabbitmq:4-management"
POSTGRESQL_SETTINGS = ["-c", "max_connections=200"]
INITDB_OPTIONS = [
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
]


@contextmanager
def postgres() -> Iterator[Server]:
    """Run a PostgreSQL server with an empty database `postgres`, durable as by default."""
    port = free_ports()
    url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    with _guarded_folder() as (folder, guard):
        server = Server(
            url, _postgres_runner(folder, guard, port), ready=lambda: _postgres_answers(url)
        )
        with _running(server):
            yield server


@contextmanager
def rabbitmq() -> Iterator[Broker]:
    """Run a RabbitMQ broker with its management API; user and password are `guest`."""
    port, api_port = free_ports(), free_ports()
    url = f"amqp://guest:guest@127.0.0.1:{port}/%2F"
    api = ManagementApi(f"http://127.0.0.1:{api_port}/api")
    with _guarded_folder() as (folder, guard):
        runner = _rabbitmq_runner(folder, guard, port, api_port)
        server = Broker(url, runner, ready=lambda: _broker_answers(port, api), api=api)
        with _running(server):
            yield server


@dataclass
class ManagementApi:
    """RabbitMQ's management API, as the user `guest`."""

    url: str

    def call(self, method: str, path: str, body: str = "") -> bytes:
        """Call it, e.g. `call("PUT", "/vhosts/name")`; raises `OSError` where it is refused."""
        request = urllib.request.Request(self.url + path, method=method, data=body.encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        request.add_header("Content-Type", "application/json")
        # No proxy: it could not reach our loopback address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return bytes(answer.read())


@dataclass
class Broker(Server):
    """A throwaway RabbitMQ server."""

    api: ManagementApi

    @contextmanager
    def virtual_host(self) -> Iterator[str]:
        """Make an empty virtual host, give its URL, and delete it with all that came into it."""
        name = f"test-{secrets.token_hex(6)}"
        everything = json.dumps({"configure": ".*", "write": ".*", "read": ".*"})
        self.start()  # A test may have stopped it.
        self.api.call("PUT", f"/vhosts/{name}")
        self.api.call("PUT", f"/permissions/{name}/guest", everything)
        try:
            yield self.url.removesuffix("%2F") + name
        finally:
            self.start()
            self.api.call("DELETE", f"/vhosts/{name}")

    @contextmanager
    def policy(self, url: str, queue: str, **definition: object) -> Iterator[None]:
        """Apply a policy to one queue of this virtual host, until the block ends."""
        path = f"/policies/{url.rpartition('/')[2]}/{queue}"
        body = {"pattern": f"^{queue}$", "definition": definition, "apply-to": "queues"}
        self.api.call("PUT", path, json.dumps(body))
        try:
            yield
        finally:
            self.api.call("DELETE", path)


@contextmanager
def _running(server: Server) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.kill()  # Nothing in it is worth an orderly end.


@contextmanager
def _guarded_folder() -> Iterator[tuple[Path, Guard]]:
    # Root runs PostgreSQL as another user, who may enter /tmp but perhaps not the folder in TMPDIR.
    parent = "/tmp" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="order-aggregator-", dir=parent))
    guard = Guard(folder)
    try:
        yield folder, guard
    finally:
        guard.close()


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Return whom to run PostgreSQL as: it refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _postgres_runner(folder: Path, guard: Guard, port: int) -> Runner:
    programs = find_postgresql()
    if programs is None and install("postgresql"):
        programs = find_postgresql()
    if programs:
        return _local_postgres(programs, folder, guard, port)
    docker = find_docker()
    if docker:
        options = ["--env=POSTGRES_HOST_AUTH_METHOD=trust", f"--publish=127.0.0.1:{port}:5432"]
        return Container(
            docker, folder.name, [*options, POSTGRESQL_IMAGE, *POSTGRESQL_SETTINGS], guard
        )
    raise ServerUnavailable(
        "tests need PostgreSQL: install it (initdb and postgres), or start Docker"
    )


def _local_postgres(programs: Path, folder: Path, guard: Guard, port: int) -> Program:
    data = str(folder / "data")
    environment = {"PATH": PATH, "HOME": str(folder), "LC_ALL": "C"}
    user = _unprivileged_user()
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    initdb = Program(
        [str(programs / "initdb"), *INITDB_OPTIONS, f"--pgdata={data}"],
        folder,
        environment,
        guard,
        user=user,
    )
    if initdb.finish() != 0:
        raise ServerUnavailable(f"initdb failed:\n{initdb.log()}")
    # No Unix socket: its path could be too long, and nobody here uses one.
    listen = [f"--port={port}", "--listen_addresses=127.0.0.1", "--unix_socket_directories="]
    return Program(
        [str(programs / "postgres"), "-D", data, *listen, *POSTGRESQL_SETTINGS],
        folder,
        environment,
        guard,
        stop_signal=signal.SIGINT,
        abort_signal=signal.SIGQUIT,
        user=user,
    )


def _postgres_answers(url: str) -> bool:
    try:
        with psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _rabbitmq_runner(folder: Path, guard: Guard, port: int, api_port: int) -> Runner:
    programs = find_rabbitmq()
    if programs is None and install("rabbitmq-server"):
        programs = find_rabbitmq()
    if programs:
        return _local_rabbitmq(programs, folder, guard, port, api_port)
    docker = find_docker()
    if docker:
        ports = [f"--publish=127.0.0.1:{port}:5672", f"--publish=127.0.0.1:{api_port}:15672"]
        return Container(docker, folder.name, [*ports, RABBITMQ_IMAGE], guard)
    raise ServerUnavailable("tests need RabbitMQ: install it (rabbitmq-server), or start Docker")


def _local_rabbitmq(
    programs: tuple[str, str], folder: Path, guard: Guard, port: int, api_port: int
) -> Program:
    server, epmd = programs
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\n"
        f"management.tcp.ip = 127.0.0.1\n"
        f"management.tcp.port = {api_port}\n"
    )
    (folder / "advanced.config").write_text("[].\n")
    (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
    (folder / "rabbitmq-env.conf").touch()
    epmd_port = str(free_ports())
    environment = _rabbitmq_environment(folder, epmd_port)
    # Erlang would start a port mapper that outlives the broker; this one is ours to end.
    mapper = Program(
        [epmd, "-port", epmd_port, "-address", "127.0.0.1"], folder, environment, guard
    )
    guard.before_end.callback(mapper.kill)
    mapper.start()
    return Program([server], folder, environment, guard)


def _rabbitmq_environment(folder: Path, epmd_port: str) -> dict[str, str]:
    """Put all that a broker reads or writes into the folder: it shares nothing with another."""
    return {
        "PATH": PATH,
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": epmd_port,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # Otherwise the script stays as the parent of the broker, which signals would then miss.
        "RUNNING_UNDER_SYSTEMD": "1",
        "RABBITMQ_NODENAME": f"{folder.name}@localhost",
        "RABBITMQ_DIST_PORT": str(free_ports()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        "RABBITMQ_PLUGINS_EXPAND_DIR": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
    }


def _broker_answers(port: int, api: ManagementApi) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(b"AMQP\x00\x00\x09\x01")
            # A broker that is ready answers with a frame of type 1, any other hangs up.
            if client.recv(1) != b"\x01":
                return False
        api.call("GET", "/vhosts")
    except OSError:
        return False
    return True
