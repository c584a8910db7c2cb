"""How each vendor is asked: those that the program brings, and those that are declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

from ...domain.errors import InvalidValue, UnknownVendor
from ...domain.ports.unit_of_work import UnitOfWorkFactory
from ...domain.ports.vendor_directory import DeclaredVendor
from ...domain.ports.vendor_gateway import VendorGateway
from ...domain.use_cases.declare_vendors import DeclareVendorsFile
from ..system.log import Log

log = Log()

# What a file looked like; None: it is not there.
Stamp = tuple[int, int] | None


class VendorGateways:
    """Gateways by vendor id. What changes in the storage or in the vendors file counts at once.

    Thread-safe. A vendor whose entry cannot be used here is left out, and the log says why.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        own: Callable[[], Mapping[str, VendorGateway]],
        file: Path | None = None,
    ) -> None:
        """`own` gives the program's, when somebody asks for vendors first: they take memory.

        A vendors file declares the vendors that it lists.
        """
        self._unit_of_work = unit_of_work
        self._own = own
        self._file = file
        self._declare = DeclareVendorsFile(unit_of_work)
        self._lock = Lock()
        self._read: Stamp = None
        # By vendor id, with the entry that it was made from: a gateway remembers what it read.
        self._made: dict[str, tuple[DeclaredVendor, VendorGateway | None]] = {}

    def require_usable_file(self) -> None:
        """Raise InvalidValue where no vendor of the vendors file can be read."""
        if self._file is not None:
            from .config import read_declared

            declared, mistakes = read_declared(self._file)
            if mistakes and not declared:
                raise mistakes[0]

    def all(self) -> dict[str, VendorGateway]:
        """Those that are disabled, too. Raises StorageUnavailable or Conflict."""
        return self._find()[0]

    def enabled(self) -> dict[str, VendorGateway]:
        """Those to be synced. Raises StorageUnavailable or Conflict."""
        gateways, disabled = self._find()
        return {key: gateway for key, gateway in gateways.items() if key not in disabled}

    def get(self, vendor_id: str) -> VendorGateway:
        """One of all. Raises UnknownVendor, StorageUnavailable or Conflict."""
        gateway = self.all().get(vendor_id)
        if gateway is None:
            raise UnknownVendor(vendor_id)
        return gateway

    def _find(self) -> tuple[dict[str, VendorGateway], set[str]]:
        with self._lock:
            self._read_file()
            with self._unit_of_work() as uow:
                declared, disabled = uow.vendors.declared(), uow.vendors.disabled()
            found = {each.vendor.id: self._gateway(each) for each in declared}
        made = {key: gateway for key, gateway in found.items() if gateway is not None}
        return made | dict(self._own()), disabled

    def _gateway(self, declared: DeclaredVendor) -> VendorGateway | None:
        known, gateway = self._made.get(declared.vendor.id, (None, None))
        if known is None or (known.entry, known.folder) != (declared.entry, declared.folder):
            from .config import gateway_of

            try:
                gateway = gateway_of(declared)
            except InvalidValue as error:
                gateway = None
                log.error("vendor.misconfigured", vendor_id=declared.vendor.id, problem=str(error))
            self._made[declared.vendor.id] = (declared, gateway)
        return gateway

    def _read_file(self) -> None:
        """If it has changed since it was read last."""
        stamp = _stamp(self._file)
        if self._file is None or stamp == self._read:
            return
        from .config import read_declared

        try:
            declared, mistakes = read_declared(self._file)
        except InvalidValue as error:
            log.error("vendors_file.unreadable", problem=error.expected)
        else:
            for mistake in mistakes:
                # One vendor's entry must not keep the others from being synced.
                log.error("vendor.misconfigured", problem=mistake.expected)
            self._declare(declared, keep_others=bool(mistakes))
        self._read = stamp


def _stamp(file: Path | None) -> Stamp:
    try:
        found = file.stat() if file is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size)
