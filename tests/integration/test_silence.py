"""Connections that fall silent: nobody closes them, and nobody answers on them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx

from buyers import PRODUCT, Buyers, assert_nothing_lost
from network import Network
from service import Service, eventually

# Seconds within which orders flow again.
RECOVERY = 30.0


@contextmanager
def distributed(folder: Path, database_url: str, broker_url: str) -> Iterator[Service]:
    """An API of two processes, a relay and two workers, with stock."""
    settings = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, "VENDORS_FILE": ""}
    with Service(folder, settings) as service:
        assert service.call("migrate").returncode == 0
        assert service.call("seed").returncode == 0
        for command in ("api", "relay", "worker", "worker"):
            service.start(command)
        service.wait_until_ready()
        yield service


def fulfilled(service: Service, order_id: str) -> bool:
    """Whether the order can be looked at, and is fulfilled."""
    try:
        answer = httpx.get(f"{service.api}/order/{order_id}", timeout=RECOVERY)
    except httpx.HTTPError:
        return False
    return answer.status_code == HTTPStatus.OK and answer.json()["status"] == "fulfilled"


def assert_orders_flow(service: Service, buyers: Buyers) -> None:
    """Orders are accepted and fulfilled again, within RECOVERY seconds from now."""
    began, before = time.monotonic(), len(buyers.accepted)
    eventually(lambda: len(buyers.accepted) >= before + 20, RECOVERY, "orders are accepted")
    order_id = buyers.accepted[-1]
    left = began + RECOVERY - time.monotonic()
    eventually(lambda: fulfilled(service, order_id), left, "an order is fulfilled")


def test_a_database_that_falls_silent(
    tmp_path: Path, fresh_database_url: str, fresh_broker_url: str
) -> None:
    with (
        Network(fresh_database_url) as network,
        distributed(tmp_path, network.url, fresh_broker_url) as service,
        Buyers(service) as buyers,
    ):
        buyers.wait_for(20)
        eventually(lambda: len(network.clients()) >= 4, 20, "every process is connected")
        assert network.freeze() >= 4
        began = time.monotonic()
        assert httpx.get(f"{service.root}/healthz", timeout=5).status_code == HTTPStatus.OK
        assert httpx.get(f"{service.root}/readyz", timeout=10).status_code in (200, 503)
        assert time.monotonic() - began < 10
        assert_orders_flow(service, buyers)
        buyers.stop()
        assert_nothing_lost(service, buyers)


def test_a_broker_that_falls_silent(
    tmp_path: Path, fresh_database_url: str, fresh_broker_url: str
) -> None:
    with (
        Network(fresh_broker_url) as network,
        distributed(tmp_path, fresh_database_url, network.url) as service,
        Buyers(service) as buyers,
    ):
        buyers.wait_for(20)
        eventually(lambda: len(network.clients()) >= 4, 20, "every process is connected")
        assert network.freeze() >= 4
        assert_orders_flow(service, buyers)
        buyers.stop()
        assert buyers.statuses[HTTPStatus.SERVICE_UNAVAILABLE] == 0
        assert_nothing_lost(service, buyers)


def test_a_writer_that_stops_with_the_lock_of_sqlite(embedded: Service) -> None:
    """The API goes on answering, and accepts orders again once the writer is gone."""
    assert embedded.call("migrate").returncode == 0
    assert embedded.call("seed").returncode == 0
    embedded.start("api")
    embedded.wait_until_ready()
    assert embedded.order(PRODUCT).status_code == HTTPStatus.ACCEPTED
    holder = embedded.start_program(
        *("flock", str(embedded.folder / "data" / "order_aggregator.db.lock"), "sleep", "600")
    )
    time.sleep(0.5)
    os.killpg(holder.pid, signal.SIGSTOP)
    try:
        refused = embedded.order(PRODUCT)
        assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert embedded.get("/stock") != []
        embedded.wait_until_said("has held the database for 10 s")
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
    eventually(
        lambda: embedded.order(PRODUCT).status_code == HTTPStatus.ACCEPTED, 15, "accepted again"
    )
    embedded.start("worker")
    embedded.wait_until_settled()
    embedded.verify()
