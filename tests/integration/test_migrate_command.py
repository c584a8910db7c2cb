"""`order-aggregator migrate --down-to` and `seed`, run as an operator would."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from order_aggregator.adapters.sql.revision import HEAD
from service import Service


@pytest.fixture
def service(tmp_path: Path) -> Service:
    service = Service(tmp_path, {"DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}"})
    assert service.call("migrate").returncode == 0
    return service


def test_migrations_are_undone_once_somebody_agrees(service: Service) -> None:
    asked = service.call("migrate", "--down-to", "0010")
    assert (asked.returncode, "nobody can be asked: say --yes" in asked.stderr) == (2, True)
    service.verify()
    undone = service.call("migrate", "--down-to", "0010", "--yes")
    assert undone.stdout == "the database is at 0010: run no newer version on it\n"
    assert "run `order-aggregator migrate`" in service.call("status").stderr
    refused = service.call("migrate", "--down-to", HEAD, "--yes")
    assert (refused.returncode, "--down-to: must be one before 0010" in refused.stderr) == (2, True)
    assert service.call("migrate").returncode == 0
    service.verify()


@pytest.mark.parametrize("command", ["migrate", "run"])
def test_tables_of_a_newer_version_are_refused_at_once(service: Service, command: str) -> None:
    """Waiting would not mend that."""
    with closing(sqlite3.connect(service.folder / "orders.db")) as connection, connection:
        row = "version_num = '9999', compatible_from = '9999'"
        connection.execute(f"UPDATE order_aggregator_version SET {row}")
    refused = service.call(command)
    assert (refused.returncode, "upgrade this program" in refused.stderr) == (1, True)


def test_example_stock_is_not_sold_beside_real_stock_unless_somebody_agrees(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "stock.csv").write_text("product_id,quantity\ntea,10\n")
    entry = {"id": "acme", "name": "Acme", "type": "file", "format": "csv", "path": "stock.csv"}
    (tmp_path / "vendors.json").write_text(json.dumps([entry]))
    for _ in range(2):
        assert service.call("seed").returncode == 0
    assert service.call("vendor", "add", "vendors.json").returncode == 0
    assert "say --yes" in service.call("seed").stderr
    assert service.call("seed", "--yes").returncode == 0
