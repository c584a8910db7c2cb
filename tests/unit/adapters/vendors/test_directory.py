"""Who is asked: what is declared in the storage or in the vendors file counts at once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from order_aggregator.adapters.memory import MemoryStorage
from order_aggregator.adapters.vendors.config import declare
from order_aggregator.adapters.vendors.directory import VendorGateways
from order_aggregator.domain.errors import InvalidValue, UnknownVendor
from order_aggregator.testing.shop import Feed, Shop, snapshot

ENTRY = {"name": "A", "type": "file", "format": "csv", "path": "a.csv"}


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


class File:
    """A vendors file that is written again and again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "vendors.json"
        self._version = 0

    def write(self, *entries: dict[str, Any], text: str | None = None) -> None:
        self.path.write_text(json.dumps(entries) if text is None else text)
        self._version += 1
        os.utime(self.path, ns=(self._version, self._version))


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_a_vendors_file_is_read_again_when_it_changes(storage: MemoryStorage, file: File) -> None:
    file.write(ENTRY | {"id": "a"}, ENTRY | {"id": "b"})
    found = VendorGateways(storage.unit_of_work, dict, file.path)
    assert list(found.all()) == ["a", "b"]
    same = found.get("a")
    assert found.get("a") is same
    file.write(ENTRY | {"id": "a", "max_age": "1h"}, ENTRY | {"id": "c"})
    assert list(found.all()) == ["a", "c"]
    assert found.get("a") is not same
    with pytest.raises(UnknownVendor):
        found.get("b")
    # Another process that has no file finds them too.
    assert list(VendorGateways(storage.unit_of_work, dict).all()) == ["a", "c"]


def test_a_wrong_entry_stops_nobody_and_withdraws_nobody(
    storage: MemoryStorage, file: File
) -> None:
    file.write(ENTRY | {"id": "a"}, ENTRY | {"id": "b"})
    found = VendorGateways(storage.unit_of_work, dict, file.path)
    assert list(found.all()) == ["a", "b"]
    file.write({"id": "a"}, ENTRY | {"id": "c"})
    assert list(found.all()) == ["a", "b", "c"]
    file.write(text="[")
    assert list(found.all()) == ["a", "b", "c"]
    with pytest.raises(InvalidValue, match="not JSON"):
        found.require_usable_file()
    file.path.unlink()
    assert list(found.all()) == ["a", "b", "c"]


def test_vendors_are_added_beside_those_of_the_file_and_the_programs_own(
    storage: MemoryStorage, file: File
) -> None:
    file.write(ENTRY | {"id": "a"})
    shop = Shop(storage)
    own = {"mine": Feed(snapshot("mine", {}, shop.clock.now()))}
    found = VendorGateways(storage.unit_of_work, lambda: own, file.path)
    found.all()
    add = shop.vendor_actions.declare
    add([declare(ENTRY | {"id": "b"}, file.path.parent)])
    assert sorted(found.all()) == ["a", "b", "mine"]
    with pytest.raises(InvalidValue, match="'a' is in the vendors file already"):
        add([declare(ENTRY | {"id": "a"}, file.path.parent)])
    file.write()
    assert sorted(found.all()) == ["b", "mine"]


def test_the_disabled_are_found_but_not_synced(storage: MemoryStorage, file: File) -> None:
    file.write(ENTRY | {"id": "a"}, ENTRY | {"id": "b"})
    found = VendorGateways(storage.unit_of_work, dict, file.path)
    found.all()
    Shop(storage).vendor_actions.enable("a", enabled=False)
    assert list(found.enabled()) == ["b"]
    assert found.get("a").vendor.id == "a"


def test_what_cannot_be_used_here_is_left_out(
    storage: MemoryStorage, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "s3cret")
    secret = {"id": "a", "name": "A", "type": "http", "format": "csv", "url": "http://a.test/"}
    file.write(secret | {"headers": {"X-Key": {"env": "ACME_KEY"}}}, ENTRY | {"id": "b"})
    assert list(VendorGateways(storage.unit_of_work, dict, file.path).all()) == ["a", "b"]
    monkeypatch.delenv("ACME_KEY")
    assert list(VendorGateways(storage.unit_of_work, dict).all()) == ["b"]
