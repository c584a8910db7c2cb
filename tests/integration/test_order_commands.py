"""`order-aggregator order …`, run as an operator would."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service import Service, eventually, stop

ME = f"cli:{getpass.getuser()}"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "stock.csv").write_text("product_id,quantity\ntea,10\ncup,3\n")
    entry = {"id": "acme", "name": "Acme", "type": "file", "format": "csv", "path": "stock.csv"}
    (tmp_path / "vendors.json").write_text(json.dumps([entry]))
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}",
        "VENDORS_FILE": str(tmp_path / "vendors.json"),
    }
    with Service(tmp_path, settings) as service:
        assert service.call("migrate").returncode == 0
        assert service.call("sync").returncode == 0
        yield service


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
    steps = service.call("order", "watch", order_id).stdout.splitlines()
    assert [step.partition(" by ")[2] for step in steps] == [ME, "", ME, ME]
    service.verify()


def test_an_order_that_is_cancelled_and_what_cannot_be_placed(service: Service) -> None:
    order = json.loads(service.call("order", "place", "tea=10", "--key", "k", "--json").stdout)
    again = json.loads(service.call("order", "place", "tea=10", "--key", "k", "--json").stdout)
    assert order["id"] == again["id"]
    short = service.call("order", "place", "tea=1")
    assert (short.returncode, short.stderr) == (1, "Error: tea: 1 requested, 0 available\n")
    cancelled = service.call("order", "cancel", order["id"])
    assert cancelled.stdout.startswith(f"order {order['id']}: cancelled")
    assert service.call("order", "watch", order["id"]).stdout.endswith(f" by {ME}\n")
    assert service.call("order", "place", "tea=1").returncode == 0
    assert "must be like tea=2" in service.call("order", "place", "tea").stderr
    unknown = service.call("order", "show", "01890a5d-ac96-774b-bcce-b302099a8057")
    assert (unknown.returncode, "unknown order" in unknown.stderr) == (1, True)
    assert service.call("order", "show", "x").returncode == 2
    service.verify()


def test_a_hold_from_its_placing_to_its_order(service: Service) -> None:
    held = json.loads(service.call("hold", "place", "tea=4", "--seconds", "600", "--json").stdout)
    assert held["status"] == "held"
    assert "6 available" in service.call("stock", "show", "tea").stdout
    extended = service.call("hold", "extend", held["id"], "--seconds", "3600", "--json")
    assert json.loads(extended.stdout)["expires_at"] > held["expires_at"]
    ordered = service.call("hold", "order", held["id"])
    assert ordered.stdout.startswith(f"order {held['id']}: reserved")
    released = service.call("hold", "release", held["id"])
    assert (released.returncode, "an order already" in released.stderr) == (1, True)
    other = json.loads(service.call("hold", "place", "tea=6", "--json").stdout)
    assert "cancelled" in service.call("hold", "release", other["id"]).stdout
    assert service.call("order", "watch", other["id"]).stdout.endswith(f" by {ME}\n")
    assert "must be from 1 to" in service.call("hold", "place", "tea=1", "--seconds", "0").stderr
    service.verify()


def test_an_order_that_waits_says_when_more_is_expected(service: Service) -> None:
    api = service.start("api")
    service.wait_until_ready()
    stock = f"{service.api}/vendor/acme/stock"
    row = {"product_id": "cup", "quantity": 3, "expected_at": "2100-01-01T00:00:00Z"}
    assert httpx.patch(stock, json=[row]).status_code == httpx.codes.OK
    wanted = {"product_id": "cup", "quantity": 5, "on_shortage": "backorder"}
    order = httpx.post(f"{service.api}/order", json=wanted).json()
    expected = "2100-01-01T00:00:00.000000+00:00"
    assert order["lines"][0]["expected_at"] == expected
    assert service.get(f"/order/{order['id']}")["lines"] == order["lines"]
    shown = service.call("order", "show", order["id"]).stdout
    assert f"cup: 5, waits for 2, more expected {expected}" in shown
    assert f"more expected {expected}" in service.call("stock", "show", "cup").stdout
    came = [{"product_id": "tea", "quantity": 10}, {"product_id": "cup", "quantity": 9}]
    assert httpx.put(stock, json=came).status_code == httpx.codes.OK
    path = f"/order/{order['id']}"
    eventually(lambda: service.get(path)["lines"][0]["backordered"] == 0)
    assert "expected_at" not in service.get(path)["lines"][0]
    assert service.get("/vendor-stock", product_id="cup")[0]["expected_at"] is None
    assert stop(api) == 0
    service.verify()


def test_an_order_that_waits_is_watched_until_it_is_fulfilled(service: Service) -> None:
    waiting = service.call("order", "place", "cup=5", "--on-shortage", "backorder", "--json")
    order_id = json.loads(waiting.stdout)["id"]
    assert "waits for 2" in service.call("order", "show", order_id).stdout
    assert "2 are waited for" in service.call("stock", "show", "cup").stdout
    (service.folder / "stock.csv").write_text("product_id,quantity\ntea,10\ncup,9\n")
    assert service.call("sync").returncode == 0
    processes = [service.start("worker"), service.start("api")]
    watched = service.call("order", "watch", order_id)
    steps = [line.split()[1] for line in watched.stdout.splitlines()]
    assert steps == ["order.backordered", "order.reserved", "order.fulfilled"]
    for process in processes:
        assert stop(process) == 0
    history = service.call("stock", "history", "cup").stdout.splitlines()
    assert history[0].split() == ["WHEN", "CAUSE", "VENDOR", "CHANGE", "BEFORE", "AFTER", "ORDER"]
    assert [line.split()[1:6] for line in history[1:]] == [
        ["order", "acme", "-5", "9", "4"],
        ["snapshot", "acme", "+6", "3", "9"],
        ["snapshot", "acme", "+3", "0", "3"],
    ]
    service.verify()


def test_a_product_is_named_and_limited(service: Service) -> None:
    told = ("--name", "Green tea", "--low-at", "3", "--backorder-limit", "1")
    assert "Green tea" in service.call("product", "set", "tea", *told).stdout
    assert service.call("sync").returncode == 0
    [tea] = [
        json.loads(line)
        for line in service.call("stock", "list", "--json").stdout.splitlines()
        if '"tea"' in line
    ]
    assert (tea["name"], tea["low_at"], tea["backorder_limit"]) == ("Green tea", 3, 1)
    refused = service.call("order", "place", "tea=12", "--on-shortage", "backorder")
    assert (refused.returncode, refused.stderr) == (1, "Error: tea: 12 requested, 10 available\n")
    part = service.call("order", "place", "tea=12", "--on-shortage", "partial")
    assert "tea: 12, 2 cancelled" in part.stdout
    order_id = part.stdout.split()[1].rstrip(":")
    assert "tea: 12, 5 cancelled" in service.call("order", "cancel", order_id, "tea=3").stdout
    assert service.call("product", "set", "plum", "--low-at", "1").returncode == 1
    service.verify()
