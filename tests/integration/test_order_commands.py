"""`order-aggregator order …`, run as an operator would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service import Service, eventually, stop


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


def test_an_order_from_its_placing_to_its_return(service: Service) -> None:
    placed = service.call("order", "place", "tea=2", "cup=1", "tea=1", "--reference", "PO-1")
    assert placed.returncode == 0, placed.stderr
    first, *rest = placed.stdout.splitlines()
    order_id = first.removeprefix("order ").removesuffix(": reserved")
    assert [line.strip() for line in rest[1:]] == ["reference PO-1", "tea: 3", "cup: 1"]
    header, row = service.call("order", "list", "--status", "reserved").stdout.splitlines()
    assert header.split() == ["ORDER", "STATUS", "PLACED", "LINES", "REFERENCE"]
    assert row.startswith(order_id)
    worker = service.start("worker")
    eventually(lambda: "fulfilled" in service.call("order", "show", order_id).stdout)
    assert stop(worker) == 0
    refused = service.call("order", "cancel", order_id)
    assert (refused.returncode, "is fulfilled: cannot be cancelled" in refused.stderr) == (1, True)
    part = service.call("order", "return", order_id, "tea=1")
    assert "    3 from acme, 1 returned" in part.stdout.splitlines()
    assert "3 can come back" not in part.stderr
    too_many = service.call("order", "return", order_id, "tea=3")
    assert "tea: 3 to return, but 2 can come back" in too_many.stderr
    shown = service.call("order", "return", order_id, "--no-restock", "--json")
    assert json.loads(shown.stdout)["status"] == "returned"
    service.verify()


def test_an_order_that_is_cancelled_and_what_cannot_be_placed(service: Service) -> None:
    order = json.loads(service.call("order", "place", "tea=10", "--key", "k", "--json").stdout)
    again = json.loads(service.call("order", "place", "tea=10", "--key", "k", "--json").stdout)
    assert order["id"] == again["id"]
    short = service.call("order", "place", "tea=1")
    assert (short.returncode, short.stderr) == (1, "Error: tea: 1 requested, 0 available\n")
    cancelled = service.call("order", "cancel", order["id"])
    assert cancelled.stdout.startswith(f"order {order['id']}: cancelled")
    assert service.call("order", "place", "tea=1").returncode == 0
    assert "must be like tea=2" in service.call("order", "place", "tea").stderr
    unknown = service.call("order", "show", "01890a5d-ac96-774b-bcce-b302099a8057")
    assert (unknown.returncode, "unknown order" in unknown.stderr) == (1, True)
    assert service.call("order", "show", "x").returncode == 2
    service.verify()
