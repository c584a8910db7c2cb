"""`order-aggregator verify --repair` and `prune`, run as an operator would."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
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


def _execute(service: Service, statement: str) -> None:
    with closing(sqlite3.connect(service.folder / "orders.db")) as connection, connection:
        connection.execute(statement)


def test_what_is_broken_is_told_repaired_and_right_again(service: Service) -> None:
    assert service.call("verify", "--repair").stdout == "every balance agrees with the ledger\n"
    _execute(service, "UPDATE vendor_stock SET available = 8 WHERE product_id = 'tea'")
    _execute(service, "UPDATE central_stock SET reserved = 2 WHERE product_id = 'cup'")
    dry = service.call("verify", "--repair", "--dry-run")
    lines = [
        "vendor_available of acme/tea: expected 10, found 8: stock_adjustments gets -2 (repair)",
        "on_hand of tea: expected 8, found 10: central_stock.on_hand becomes 8",
        "reserved of cup: expected 0, found 2: central_stock.reserved becomes 0",
    ]
    # In the order of products, of each batch the vendors first.
    assert (dry.returncode, sorted(dry.stdout.splitlines()[:-1])) == (1, sorted(lines))
    assert dry.stdout.splitlines()[-1] == "3 figures to repair; nothing was changed"
    assert service.call("verify").returncode == 1
    asked = service.call("verify", "--repair")
    assert (asked.returncode, "nobody can be asked: say --yes" in asked.stderr) == (2, True)
    told = service.call("verify", "--repair", "--json", "--yes")
    assert told.returncode == 0, told.stderr
    assert {json.loads(line)["written"] for line in told.stdout.splitlines()} == {
        line.rpartition(": ")[2] for line in lines
    }
    service.verify()


def test_an_order_without_lines_needs_a_person(service: Service) -> None:
    order = json.loads(service.call("order", "place", "tea=1", "--json").stdout)
    _execute(service, "DELETE FROM order_lines")
    repaired = service.call("verify", "--repair", "--yes")
    assert repaired.returncode == 1
    assert repaired.stdout.splitlines() == [
        "reserved of tea: expected 0, found 1: central_stock.reserved becomes 0",
        f"has_lines of {order['id']}: expected 1, found 0: needs a person",
        "1 figure repaired",
        "1 discrepancy",
    ]


def test_a_dry_run_of_nothing_is_a_mistake(service: Service) -> None:
    refused = service.call("verify", "--dry-run")
    assert (refused.returncode, "--dry-run is for --repair" in refused.stderr) == (2, True)


def test_old_orders_are_removed_once_somebody_says_so(service: Service) -> None:
    order = json.loads(service.call("order", "place", "tea=4", "--json").stdout)
    worker = service.start("worker")
    eventually(lambda: "fulfilled" in service.call("order", "show", order["id"]).stdout)
    assert stop(worker) == 0
    _execute(service, "UPDATE orders SET updated_at = '2020-01-01T00:00:00.000000+00:00'")
    assert service.call("prune", "--older-than", "36500d", "--dry-run").stdout.startswith("0 ")
    dry = service.call("prune", "--older-than", "90d", "--dry-run")
    assert dry.stdout == "1 order to remove; nothing was changed\n"
    asked = service.call("prune", "--older-than", "90d")
    assert (asked.returncode, "say --yes" in asked.stderr) == (2, True)
    pruned = service.call("prune", "--older-than", "90d", "--yes")
    assert (pruned.returncode, pruned.stdout) == (0, "1 order removed; transactions: 1\n")
    assert service.call("order", "show", order["id"]).returncode == 1
    service.verify()
    wrong = service.call("prune", "--older-than", "soon", "--yes")
    assert (wrong.returncode, "must be a duration" in wrong.stderr) == (1, True)
