"""`order-aggregator vendor …`, run as an operator would."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from feed_server import Exchange, FeedServer
from service import Service, eventually, stop


@pytest.fixture
def service(tmp_path: Path) -> Service:
    _publish(tmp_path, ("A-1", 10), ("A-2", 10))
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}",
        "VENDORS_FILE": _vendors(tmp_path),
    }
    service = Service(tmp_path, settings)
    assert service.call("migrate").returncode == 0
    return service


def _publish(folder: Path, *rows: tuple[str, object]) -> None:
    lines = ["SKU;Menge", *(f"{sku};{quantity}" for sku, quantity in rows)]
    (folder / "stock.csv").write_text("\n".join(lines))


def _vendors(folder: Path, **told: Any) -> str:
    entry = {
        "id": "acme",
        "name": "Acme",
        "type": "file",
        "format": "csv",
        "path": "stock.csv",
        "fields": {"product_id": "sku", "quantity": "menge"},
    }
    file = folder / "vendors.json"
    file.write_text(json.dumps([entry | told]))
    return str(file)


def test_a_file_is_checked_and_nothing_is_changed(service: Service, tmp_path: Path) -> None:
    _publish(tmp_path, ("A-1", 10), ("A-2", "?"), ("A-3", 7))
    checked = service.call("vendor", "check", "vendors.json")
    assert checked.returncode == 0, checked.stderr
    lines = [line.strip() for line in checked.stdout.splitlines()]
    assert lines[0] == "acme (Acme)"
    assert lines[1].startswith("2 products, 17 units, as of ")
    assert "delimiter ';'" in lines
    assert "A-1: 10 (without a name)" in lines
    assert "rejected: line 3, menge: must be a number of units, but is '?'" in lines
    assert lines[-1] == "would change 2 products: 17 units more, 0 units less"
    assert service.call("vendor", "list").stdout == ""


def test_one_vendor_is_shown_and_retired(service: Service, tmp_path: Path) -> None:
    _publish(tmp_path, ("A-1", 10), ("A-2", "?"))
    assert service.call("sync").returncode == 0
    lines = service.call("vendor", "show", "acme").stdout.splitlines()
    assert lines[0].startswith("acme: well; 1 products")
    assert lines[1].startswith("  last asked 20")
    assert lines[2:] == ["  rejected: line 3, menge: must be a number of units, but is '?'"]
    assert service.call("vendor", "show", "nobody").returncode == 1
    refused = service.call("vendor", "retire", "acme", "--yes")
    assert (refused.returncode, "still in the vendors file" in refused.stderr) == (1, True)
    (tmp_path / "vendors.json").write_text("[]")
    assert service.call("vendor", "retire", "acme", "--yes").returncode == 0
    assert service.call("vendor", "list").stdout.startswith("acme: retired; 0 products")
    service.verify()


def test_what_cannot_be_read_is_told_whole(service: Service, tmp_path: Path) -> None:
    _publish(tmp_path, ("A-1", "?"), ("A-2", "!"))
    checked = service.call("vendor", "check", "vendors.json")
    assert checked.returncode == 1
    assert "line 2, menge: must be" in checked.stdout
    assert "line 3, menge: must be" in checked.stdout
    (tmp_path / "stock.csv").unlink()
    checked = service.call("vendor", "check", "vendors.json")
    assert checked.returncode == 1
    assert "cannot be had" in checked.stdout


def test_without_a_database_a_file_can_be_checked_too(service: Service, tmp_path: Path) -> None:
    service.environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'none.db'}"
    checked = service.call("vendor", "check", "vendors.json")
    assert checked.returncode == 0, checked.stderr
    assert "what it would change is unknown" in checked.stdout
    assert not (tmp_path / "none.db").exists()


def test_a_mistake_in_the_file_is_one_line(service: Service, tmp_path: Path) -> None:
    _vendors(tmp_path, colour="red")
    checked = service.call("vendor", "check", "vendors.json")
    assert checked.returncode == 1
    assert "'colour': is no key here" in checked.stderr
    assert len(checked.stderr.splitlines()) == 1


def test_a_wrong_entry_keeps_no_other_vendor_from_being_synced(
    service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "vendors.json"
    [entry] = json.loads(file.read_text())
    file.write_text(json.dumps([{**entry, "id": "bert", "format": "xls"}, entry]))
    synced = service.call("sync")
    assert synced.returncode == 0
    assert "vendor.misconfigured" in synced.stderr
    assert "vendor 1, format: must be" in synced.stderr
    assert service.call("vendor", "list").stdout.startswith("acme: well; 2 products")
    file.write_text(json.dumps([{**entry, "format": "xls"}]))
    assert service.call("sync").returncode == 1


def test_a_report_that_takes_away_much_waits_until_it_is_approved(
    service: Service, tmp_path: Path
) -> None:
    assert service.call("sync").returncode == 0
    assert service.call("vendor", "list").stdout.startswith("acme: well; 2 products, reported 2")
    _publish(tmp_path)
    assert "would wait for approval: 0 units instead of 20" in (
        service.call("vendor", "check", "vendors.json").stdout
    )
    assert service.call("vendor", "approve", "acme").returncode == 1
    assert service.call("sync").returncode == 1
    assert "waits for approval" in service.call("vendor", "list").stdout
    assert service.call("vendor", "approve", "acme").returncode == 0
    assert service.call("sync").returncode == 0
    assert service.call("vendor", "list").stdout.startswith("acme: well; 0 products")
    service.verify()


def _stall(exchange: Exchange) -> None:
    exchange.stopping.wait(60)


def test_a_stop_does_not_wait_for_a_feed_that_is_still_read(
    service: Service, tmp_path: Path
) -> None:
    with FeedServer() as server:
        server.serve("/stock", _stall)
        entry = {"id": "slow", "name": "Slow", "type": "http", "format": "json"}
        (tmp_path / "vendors.json").write_text(json.dumps([entry | {"url": server.url()}]))
        sync = service.start("sync")
        eventually(lambda: server.paths == ["/stock"], 20, "the feed is asked for")
        began = monotonic()
        assert stop(sync) == 0
        assert monotonic() - began < 30


def test_vendors_are_added_disabled_and_enabled(service: Service, tmp_path: Path) -> None:
    service.environment["VENDORS_FILE"] = str(tmp_path / "none.json")
    (tmp_path / "none.json").write_text("[]")
    added = service.call("vendor", "add", "vendors.json")
    assert (added.returncode, added.stdout) == (0, "acme is added\n")
    assert service.call("vendor", "list").stdout.startswith("acme: has reported nothing yet; ")
    (tmp_path / "none.json").write_text("{")
    assert service.call("vendor", "disable", "acme").returncode == 0
    (tmp_path / "none.json").write_text("[]")
    assert service.call("sync").returncode == 0
    assert service.call("vendor", "list").stdout.startswith("acme: has reported nothing yet, dis")
    assert service.call("vendor", "enable", "acme").returncode == 0
    assert service.call("sync").returncode == 0
    assert service.call("vendor", "list").stdout.startswith("acme: well; 2 products")
    (tmp_path / "stock.csv").unlink()
    assert service.call("sync").returncode == 1
    assert "stock.csv: No such file" in service.call("vendor", "show", "acme").stdout
    (tmp_path / "bad.json").write_text('[{"id": "x"}]')
    refused = service.call("vendor", "add", "bad.json")
    assert (refused.returncode, "vendor 1, type: must be" in refused.stderr) == (1, True)
    assert service.call("vendor", "enable", "nobody").returncode == 1
    assert service.call("vendor", "retire", "acme", "--yes").returncode == 0
    assert service.call("sync").returncode == 0
    service.verify()


def test_a_running_sync_notices_what_is_added(service: Service, tmp_path: Path) -> None:
    other = tmp_path / "more.json"
    entry = {"id": "bert", "name": "Bert", "type": "file", "format": "csv", "path": "bert.csv"}
    other.write_text(json.dumps([entry]))
    (tmp_path / "bert.csv").write_text("product_id,quantity\nB-1,3\n")
    process = service.start("sync", "--every", "3600")
    service.wait_until_said("vendor.synced")
    assert service.call("vendor", "add", "more.json").returncode == 0
    eventually(lambda: "bert: well" in service.call("vendor", "list").stdout, what="synced")
    assert stop(process) == 0
