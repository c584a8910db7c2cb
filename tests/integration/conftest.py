"""Deployments to run the whole flow on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server_programs import find_chromium, find_promtool, install
from service import Service


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of the program that checks metrics, alerts and configurations."""
    found = find_promtool()
    if found is None and install("prometheus"):
        found = find_promtool()
    if found is None:
        pytest.fail("tests need promtool: install it (package prometheus)", pytrace=False)
    return found


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    found = find_chromium()
    if found is None and install("chromium"):
        found = find_chromium()
    if found is None:
        pytest.fail("tests need Chromium: install it (package chromium)", pytrace=False)
    return found


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Service]:
    """`order-aggregator run` on its defaults."""
    with Service(tmp_path, {"DATABASE_URL": "", "BROKER_URL": "", "VENDORS_FILE": ""}) as service:
        yield service


@pytest.fixture
def distributed(
    tmp_path: Path, fresh_database_url: str, fresh_broker_url: str
) -> Iterator[Service]:
    """PostgreSQL and RabbitMQ, with no process started yet."""
    settings = {
        "DATABASE_URL": fresh_database_url,
        "BROKER_URL": fresh_broker_url,
        "VENDORS_FILE": "",
    }
    with Service(tmp_path, settings) as service:
        yield service


@pytest.fixture(params=["embedded", "distributed"])
def service(request: pytest.FixtureRequest) -> Service:
    """A running service with the mock vendors' stock in it, in each deployment."""
    service: Service = request.getfixturevalue(request.param)
    if request.param == "embedded":
        service.start("run")
    else:
        for command in ("mock-vendors", "api", "relay", "worker", "worker"):
            service.start(command)
        assert service.call("migrate").returncode == 0
        assert service.call("sync").returncode == 0
    service.wait_until_ready()
    return service
