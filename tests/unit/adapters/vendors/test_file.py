"""What a vendor's file may turn out to be."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from order_aggregator.adapters.vendors import file as file_module
from order_aggregator.adapters.vendors.feed import FeedFormat
from order_aggregator.adapters.vendors.file import FileVendorGateway
from order_aggregator.domain.errors import InvalidSnapshot, InvalidValue, VendorUnavailable
from order_aggregator.domain.stock import Vendor
from order_aggregator.testing.shop import whole


def _gateway(path: Path) -> FileVendorGateway:
    return FileVendorGateway(
        vendor=Vendor(id="acme", name="Acme"),
        path=path,
        feed_format=FeedFormat(kind="csv"),
    )


def test_as_of_is_when_the_file_was_last_changed(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("product_id,quantity\na,1\n")
    os.utime(path, ns=(0, 1_767_225_600_123_456_789))
    as_of = whole(_gateway(path).fetch()).as_of
    assert as_of == datetime(2026, 1, 1, microsecond=123_456, tzinfo=UTC)


def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    with pytest.raises(VendorUnavailable) as caught:
        whole(_gateway(path).fetch())
    assert caught.value.problem == f"{path}: No such file or directory"


def test_a_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(VendorUnavailable, match="Is a directory"):
        whole(_gateway(tmp_path).fetch())


def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(VendorUnavailable, match="not a file"):
        whole(_gateway(path).fetch())


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("product_id,quantity\na,1\n")
    monkeypatch.setattr(file_module, "MAX_BYTES", path.stat().st_size)
    assert len(whole(_gateway(path).fetch()).reports) == 1
    monkeypatch.setattr(file_module, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(InvalidSnapshot, match="larger than"):
        whole(_gateway(path).fetch())


def test_a_file_that_is_written_meanwhile_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("product_id,quantity\na,1\n")
    fstat = os.fstat

    def fstat_after_a_write(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        with path.open("a") as file:
            file.write("b,2\n")
        return found

    monkeypatch.setattr(os, "fstat", fstat_after_a_write)
    with pytest.raises(VendorUnavailable, match="changed while being read"):
        whole(_gateway(path).fetch())


def test_a_file_has_no_next_page() -> None:
    with pytest.raises(InvalidValue, match="next_page"):
        FileVendorGateway(
            vendor=Vendor(id="acme", name="Acme"),
            path=Path("stock.json"),
            feed_format=FeedFormat(kind="json", next_page="next"),
        )
