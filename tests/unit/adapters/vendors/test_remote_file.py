"""A vendor's feed wherever fsspec reaches."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest

from order_aggregator.adapters.vendors import remote_file
from order_aggregator.adapters.vendors.config import vendors_from_file
from order_aggregator.domain.errors import InvalidSnapshot, InvalidValue, VendorUnavailable
from order_aggregator.domain.ports.vendor_gateway import VendorGateway
from order_aggregator.testing.shop import whole

CSV = "product_id,quantity\na,5\n"


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


def _gateway(folder: Path, url: str, **told: Any) -> VendorGateway:
    entry = {"id": "acme", "name": "A", "type": "remote", "format": "csv", "url": url} | told
    (folder / "vendors.json").write_text(json.dumps([entry]))
    [gateway] = vendors_from_file(folder / "vendors.json")
    return gateway


def test_a_file_is_read_and_is_of_when_it_was_changed(tmp_path: Path) -> None:
    (tmp_path / "stock.csv").write_text(CSV)
    os.utime(tmp_path / "stock.csv", (86400, 86400))
    snapshot = whole(_gateway(tmp_path, f"file://{tmp_path}/stock.csv").fetch())
    assert (snapshot.units, snapshot.stated) == (5, False)
    assert snapshot.as_of == datetime(1970, 1, 2, tzinfo=UTC)


def test_any_file_system_will_do(tmp_path: Path, memory: Any) -> None:
    memory.pipe("/stock.csv", CSV.encode())
    snapshot = whole(_gateway(tmp_path, "memory://stock.csv").fetch())
    assert snapshot.units == 5
    assert snapshot.as_of is not None


def test_what_cannot_be_had_is_told_without_what_is_secret(tmp_path: Path) -> None:
    for url in (f"file://{tmp_path}/s3cret", "nosuch://s3cret/x"):
        with pytest.raises(VendorUnavailable) as caught:
            _gateway(tmp_path, url).fetch()
        assert url not in str(caught.value)


def test_what_is_too_large_is_refused(
    tmp_path: Path, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_file, "MAX_BYTES", 10)
    memory.pipe("/stock.csv", CSV.encode())
    with pytest.raises(InvalidSnapshot, match="larger than"):
        _gateway(tmp_path, "memory://stock.csv").fetch()


def test_options_may_lie_outside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTP_PASSWORD", "s3cret")
    options = {"username": "us", "password": {"env": "SFTP_PASSWORD"}, "port": 2222}
    gateway = _gateway(tmp_path, "sftp://acme.example/stock.csv", options=options)
    assert "s3cret" not in repr(gateway)
    assert gateway.options == options | {"password": "s3cret"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"url": "stock.csv"}, "url: must begin with a protocol"),
        ({"options": []}, "options: must be an object"),
        ({"options": {"password": {"env": "NO_SUCH"}}}, "options.password: the environment has no"),
        ({"timeout": 5}, "'timeout': is no key here"),
    ],
)
def test_mistakes_name_the_field(tmp_path: Path, told: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        _gateway(tmp_path, **({"url": "memory://x"} | told))
