"""`order-aggregator dead-letters …`, run as an operator would, on both queues."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service import Service, eventually, stop

BROKEN = """
def choose(quantity, offers):
    raise ZeroDivisionError
"""
MENDED = """
from order_aggregator import highest_then_even as choose
"""


@pytest.fixture(params=["embedded", "distributed"])
def service(request: pytest.FixtureRequest) -> Service:
    """An API, a vendor with ten units of tea, and a policy that raises; no worker yet."""
    service: Service = request.getfixturevalue(request.param)
    entry = {"id": "acme", "name": "Acme", "type": "file", "format": "csv", "path": "stock.csv"}
    (service.folder / "vendors.json").write_text(json.dumps([entry]))
    (service.folder / "stock.csv").write_text("product_id,quantity\ntea,10\n")
    (service.folder / "policy.py").write_text(BROKEN)
    service.environment |= {
        "VENDORS_FILE": "vendors.json",
        "MAX_ATTEMPTS": "2",
        "ALLOCATION_POLICY": "policy:choose",
        "PYTHONPATH": str(service.folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    assert service.call("migrate").returncode == 0
    assert service.call("sync").returncode == 0
    service.start("api")
    service.wait_until_ready()
    return service


def listed(service: Service) -> list[dict[str, Any]]:
    """The dead letters."""
    answer = service.call("dead-letters", "list", "--json")
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def given_up(service: Service, count: int) -> list[str]:
    """Place orders that a worker gives up; their ids."""
    placed = [service.order("tea").json()["id"] for _ in range(count)]
    worker = service.start("worker")
    eventually(lambda: len(listed(service)) == count, what="the messages are parked")
    assert stop(worker) == 0
    return placed


def test_what_was_given_up_for_a_bug_is_replayed_when_it_is_mended(service: Service) -> None:
    placed = given_up(service, 3)
    letters = listed(service)
    assert sorted(each["order_ids"][0] for each in letters) == sorted(placed)
    assert letters == service.get("/dead-letter")
    table = service.call("dead-letters", "list").stdout.splitlines()
    assert [row.split()[0] for row in table] == ["ID", *(each["id"] for each in letters)]
    first, *others = letters
    shown = service.call("dead-letters", "show", first["id"])
    assert f"  order {first['order_ids'][0]}" in shown.stdout.splitlines()
    unknown = service.call("dead-letters", "replay", first["id"], "nonsense")
    assert (unknown.returncode, unknown.stderr) == (1, "Error: no dead letter nonsense\n")

    (service.folder / "policy.py").write_text(MENDED)
    assert service.call("dead-letters", "replay", first["id"]).stdout == "replayed: 1\n"
    assert listed(service) == others
    assert service.call("dead-letters", "replay", "--all").stdout == "replayed: 2\n"
    service.start("worker")
    service.wait_until_settled()
    for order_id in placed:
        assert service.get(f"/order/{order_id}")["status"] == "fulfilled"
    assert service.stock("tea")["on_hand"] == 7
    assert listed(service) == []
    service.verify()


def test_a_message_is_discarded_only_when_that_is_confirmed(service: Service) -> None:
    [order_id] = given_up(service, 1)
    [letter] = listed(service)
    refused = service.call("dead-letters", "discard", letter["id"])
    assert (refused.returncode, "say --yes" in refused.stderr) == (2, True)
    for told in ([], [letter["id"], "--all"]):
        refused = service.call("dead-letters", "discard", "--yes", *told)
        assert (refused.returncode, "say --all" in refused.stderr) == (2, True)
    assert listed(service) == [letter]
    discarded = service.call("dead-letters", "discard", "--yes", letter["id"])
    assert (discarded.returncode, discarded.stdout) == (0, "discarded: 1\n")
    again = service.call("dead-letters", "discard", "--yes", letter["id"])
    assert (again.returncode, again.stderr) == (1, f"Error: no dead letter {letter['id']}\n")
    assert service.get(f"/order/{order_id}")["status"] == "reserved"
    assert service.call("dead-letters", "discard", "--yes", "--all").stdout == "discarded: 0\n"
