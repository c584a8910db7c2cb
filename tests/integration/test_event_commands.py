"""`order-aggregator events …`, run as an operator would."""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from service import COMMAND, Service, eventually, stop


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "stock.csv").write_text("product_id,quantity\ntea,10\ncup,3\n")
    entry = {"id": "acme", "name": "Acme", "type": "file", "format": "csv", "path": "stock.csv"}
    (tmp_path / "vendors.json").write_text(json.dumps([entry]))
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}",
        "VENDORS_FILE": str(tmp_path / "vendors.json"),
    }
    service = Service(tmp_path, settings)
    assert service.call("migrate").returncode == 0
    assert service.call("sync").returncode == 0
    return service


def _order(service: Service, *lines: str) -> str:
    placed = service.call("order", "place", "--json", *lines)
    assert placed.returncode == 0, placed.stderr
    return str(json.loads(placed.stdout)["id"])


def _told(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.said().splitlines() if "specversion" in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_shows_what_happens_until_it_is_stopped(service: Service, number: int) -> None:
    with service:
        tail = service.start("events", "tail", "--after", "0")
        service.wait_until_said("stock.back")
        order_id = _order(service, "tea=2", "cup=3")
        service.wait_until_said("stock.out")
        assert stop(tail, number) == 0
    lines = [line.split(maxsplit=1)[1] for line in service.said().splitlines()]
    assert sorted(lines[:2]) == [
        "stock.back         cup 3 available",
        "stock.back         tea 10 available",
    ]
    assert sorted(lines[2:]) == [
        f"order.reserved     {order_id} tea=2 cup=3 by cli:{getpass.getuser()}",
        "stock.out          cup 0 available",
    ]


def test_it_begins_with_what_happens_from_now_on(service: Service) -> None:
    with service:
        before = _order(service, "tea=1")
        tail = service.start("events", "tail", "--json")
        later: list[str] = []

        def is_told() -> bool:
            later.append(_order(service, "tea=1"))
            return bool(_told(service))

        eventually(is_told)
        eventually(lambda: _told(service)[-1]["subject"] == later[-1])
        assert stop(tail) == 0
    subjects = [event["subject"] for event in _told(service)]
    assert before not in subjects
    assert subjects == later[-len(subjects) :]


def test_it_shows_what_was_asked_for(service: Service) -> None:
    with service:
        _order(service, "tea=1")
        cup = _order(service, "cup=3")
        filters = ("--type", "order.*", "--type", "stock.out", "--product", "cup")
        tail = service.start("events", "tail", "--json", "--after", "0", *filters)
        eventually(lambda: len(_told(service)) == 2)
        assert stop(tail) == 0
    found = {(event["type"], event["subject"]) for event in _told(service)}
    assert found == {("order.reserved", cup), ("stock.out", "cup")}


def test_it_goes_on_after_a_place_even_within_a_transaction(service: Service) -> None:
    with service:
        _order(service, "cup=3")
        tail = service.start("events", "tail", "--json", "--after", "0")
        eventually(lambda: len(_told(service)) == 4)
        assert stop(tail) == 0
        everything = _told(service)
        place = next(event["id"] for event in everything if event["type"] == "stock.back")
        position, _, _index = place.partition("-")
        tail = service.start("events", "tail", "--json", "--after", f"{position}-0")
        eventually(lambda: len(_told(service)) == 7)
        assert stop(tail) == 0
    assert _told(service)[4:] == everything[1:]


def test_what_is_no_place_is_one_clear_line(service: Service) -> None:
    failed = service.call("events", "tail", "--after", "yesterday")
    assert failed.returncode == 1
    assert failed.stderr == "Error: after: must be a place like 120-0, but is 'yesterday'\n"


def test_a_terminal_is_told_what_is_listened_to(service: Service) -> None:
    ours, terminals = os.openpty()
    command = [*COMMAND, "events", "tail", "--type", "order.*", "--product", "tea"]
    tail = subprocess.Popen(
        command,
        cwd=service.folder,
        env=service.environment,
        stdout=subprocess.PIPE,
        stderr=terminals,
    )
    try:
        told = os.read(ours, 1000).decode()
    finally:
        tail.terminate()
        said, _ = tail.communicate(timeout=30)
        os.close(terminals)
        os.close(ours)
    expected = "Listening for order.* about product tea, from now on; Ctrl-C ends it."
    assert (told.strip(), said) == (expected, b"")
