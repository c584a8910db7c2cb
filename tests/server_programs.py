"""Where the server programs come from: this machine, else Debian packages, else Docker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# Where programs are that an empty or minimal PATH does not name.
PATH = os.pathsep.join(
    [
        os.environ.get("PATH", ""),
        "/usr/local/bin",
        "/usr/bin",
        "/bin",
        "/usr/sbin",
        "/opt/homebrew/bin",
    ]
)
POSTGRESQL_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
# Debian's /usr/sbin/rabbitmq-server is a wrapper that changes user and environment, so it is last.
RABBITMQ_PLACES = (
    "/usr/lib/rabbitmq/bin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
    "/usr/local/sbin",
    "/usr/sbin",
)


def find_postgresql() -> Path | None:
    """Return the folder of `initdb` and `postgres`: the newest that is installed."""
    places = [place for pattern in POSTGRESQL_PLACES for place in Path("/").glob(pattern)]
    places.sort(key=_version, reverse=True)
    for place in [*places, *map(Path, PATH.split(os.pathsep))]:
        if (place / "initdb").is_file() and (place / "postgres").is_file():
            return place
    return None


def find_rabbitmq() -> tuple[str, str] | None:
    """Return the paths of `rabbitmq-server` and of Erlang's `epmd`."""
    server = shutil.which("rabbitmq-server", path=os.pathsep.join([*RABBITMQ_PLACES, PATH]))
    epmd = shutil.which(
        "epmd", path=os.pathsep.join([PATH, "/usr/lib/erlang/bin", "/usr/local/lib/erlang/bin"])
    )
    return (server, epmd) if server and epmd else None


def find_promtool() -> str | None:
    """Return the path of `promtool`, of Prometheus."""
    return shutil.which("promtool", path=PATH)


def find_chromium() -> str | None:
    """Return the path of a browser that Playwright can drive."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, (shutil.which(name, path=PATH) for name in names)), None)


def find_docker() -> str | None:
    """Return the path of `docker` if an engine answers it."""
    docker = shutil.which("docker", path=PATH)
    if docker is None:
        return None
    try:
        answer = subprocess.run([docker, "version"], capture_output=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return None
    return docker if answer.returncode == 0 else None


def install(package: str) -> bool:
    """Install a Debian package without starting its service; false where that does not work."""
    if os.geteuid() != 0 or shutil.which("apt-get", path=PATH) is None:
        return False
    print(f"Installing {package} for the tests", file=sys.stderr)
    with ExitStack() as changes:
        changes.enter_context(_no_services_started())
        if not _apt_get("update"):
            return False
        if package == "postgresql":
            if not _apt_get("install", "postgresql-common"):
                return False
            changes.enter_context(_no_main_cluster())
        return _apt_get("install", package)


def _version(place: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(place)))


def _apt_get(*arguments: str) -> bool:
    command = ["apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300"]
    command += ["--no-install-recommends", *arguments]
    result = subprocess.run(
        command,
        env={**os.environ, "PATH": f"{PATH}:/sbin", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        print(f"{' '.join(command)} failed:\n{result.stdout[-2000:]}", file=sys.stderr)
    return result.returncode == 0


@contextmanager
def _no_services_started() -> Iterator[None]:
    """Forbid packages to start services, unless the machine has its own policy on that."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    try:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink(missing_ok=True)


@contextmanager
def _no_main_cluster() -> Iterator[None]:
    """Keep Debian's PostgreSQL package from making a cluster of its own, as it does by default."""
    settings = Path("/etc/postgresql-common/createcluster.conf")
    before = settings.read_text()
    try:
        settings.write_text("create_main_cluster = false\n")
        yield
    finally:
        settings.write_text(before)
