"""What every storage promises about which vendors there are.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from datetime import timedelta

from ..domain.ports.read_model import VendorStatus
from ..domain.ports.storage import Storage
from ..domain.ports.vendor_directory import DeclaredVendor, SyncAttempt
from ..domain.stock import Vendor
from .shop_work import NOW, stock_up, work

MINUTE = timedelta(minutes=1)
ACME = Vendor(id="acme", name="Acme")


def _declared(vendor_id: str, entry: str = "{}", *, from_file: bool = False) -> DeclaredVendor:
    vendor = Vendor(id=vendor_id, name=f"Vendor {vendor_id}")
    return DeclaredVendor(vendor=vendor, entry=entry, folder="/etc", from_file=from_file)


def _all(storage: Storage) -> list[DeclaredVendor]:
    return work(storage, lambda uow: uow.vendors.declared())


def _status(storage: Storage, vendor_id: str) -> VendorStatus:
    [status] = storage.read_model.vendors(0, 1, vendor_id).items
    return status


def test_vendors_are_declared_declared_anew_and_withdrawn(storage: Storage) -> None:
    work(storage, lambda uow: uow.vendors.declare([_declared("bert"), _declared("acme")]))
    work(storage, lambda uow: uow.vendors.declare([]))
    assert _all(storage) == [_declared("acme"), _declared("bert")]
    changed = _declared("acme", '{"é": 1}', from_file=True)
    work(storage, lambda uow: uow.vendors.declare([changed]))
    assert _all(storage) == [changed, _declared("bert")]
    work(storage, lambda uow: uow.vendors.withdraw(["acme", "stranger"]))
    work(storage, lambda uow: uow.vendors.withdraw([]))
    assert _all(storage) == [_declared("bert")]


def test_a_declared_vendor_has_reported_nothing_until_it_does(storage: Storage) -> None:
    work(storage, lambda uow: uow.vendors.declare([_declared("acme")]))
    status = _status(storage, "acme")
    assert (status.name, status.as_of, status.reported_at) == ("Vendor acme", None, None)
    assert work(storage, lambda uow: uow.stock.lock_vendor("acme")) is None
    stock_up(storage, "acme", apple=1)
    assert _status(storage, "acme").as_of == NOW
    assert _all(storage) == [_declared("acme")]


def test_a_disabled_vendor_stays_so_whatever_is_declared(storage: Storage) -> None:
    stock_up(storage, "bert", apple=1)
    work(storage, lambda uow: uow.vendors.declare([_declared("acme")]))
    for vendor_id in ("acme", "bert"):
        assert work(storage, lambda uow, key=vendor_id: uow.vendors.enable(key, enabled=False))  # type: ignore[misc]
    assert not work(storage, lambda uow: uow.vendors.enable("stranger", enabled=False))
    work(storage, lambda uow: uow.vendors.declare([_declared("acme")]))
    assert [declared.enabled for declared in _all(storage)] == [False]
    assert work(storage, lambda uow: uow.vendors.disabled()) == {"acme", "bert"}
    assert not _status(storage, "acme").enabled
    assert work(storage, lambda uow: uow.vendors.enable("acme", enabled=True))
    assert work(storage, lambda uow: uow.vendors.disabled()) == {"bert"}


def test_what_comes_of_syncing_is_noted(storage: Storage) -> None:
    def note(**attempt: object) -> VendorStatus:
        made = SyncAttempt(at=NOW, **attempt)  # type: ignore[arg-type]
        work(storage, lambda uow: uow.vendors.note_attempt(ACME, made))
        return _status(storage, "acme")

    first = note(problem="not found")
    assert (first.problem, first.failures, first.outdated) == ("not found", 1, 0)
    assert (first.attempted_at, first.next_sync_at) == (NOW, None)
    assert (first.name, first.as_of) == ("Acme", None)
    for vendor_id in ("acme", "stranger"):
        work(storage, lambda uow, key=vendor_id: uow.vendors.plan_sync(key, NOW + MINUTE))  # type: ignore[misc]
    second = note(problem="older", outdated=True)
    assert (second.problem, second.failures, second.outdated) == ("older", 2, 1)
    assert second.next_sync_at == NOW + MINUTE
    third = note()
    assert (third.problem, third.failures, third.outdated) == (None, 0, 1)
