"""A vendor's feed as a file on disk."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG

import attrs

from ...domain.errors import InvalidSnapshot, InvalidValue, VendorUnavailable
from ...domain.stock import Vendor
from ...domain.stock_updates import StockUpdates
from ...domain.vendor_sync import Snapshot, VendorTerms
from .feed import MAX_BYTES, TOO_LARGE, FeedFormat, FeedReader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class FileVendorGateway:
    """VendorGateway on a CSV or JSON file; `as_of` is what it says, else when it was last changed.

    Whoever writes it should write another file and rename that: half a CSV file looks like a whole.
    """

    vendor: Vendor
    path: Path
    feed_format: FeedFormat = attrs.field()
    terms: VendorTerms = attrs.field(factory=VendorTerms)

    @feed_format.validator
    def _one_page(self, _attribute: object, feed_format: FeedFormat) -> None:
        if feed_format.next_page is not None:
            raise InvalidValue("next_page", "means nothing in a file")

    def fetch(self) -> Snapshot | StockUpdates:
        """Read the file. Raises VendorUnavailable or InvalidSnapshot."""
        reader = FeedReader(self.feed_format, self.vendor)
        try:
            changed = self._read(reader)
        except OSError as error:
            problem = f"{self.path}: {error.strerror or error}"
            raise VendorUnavailable(self.vendor.id, problem) from error
        reader.finish()
        return reader.report(changed, changed.isoformat())

    def stamp(self) -> object:
        """Another one once the file has changed; None while it is not there."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self, reader: FeedReader) -> datetime:
        """When it was last changed."""
        with open(self.path, "rb", opener=_without_waiting) as file:
            before = os.fstat(file.fileno())
            if not S_ISREG(before.st_mode):
                raise OSError("not a file")
            if before.st_size > MAX_BYTES:
                raise InvalidSnapshot(self.vendor.id, TOO_LARGE)
            try:
                with reader.read(file):
                    pass
            finally:
                after = os.fstat(file.fileno())
                if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
                    problem = f"{self.path}: changed while being read"
                    raise VendorUnavailable(self.vendor.id, problem)
        return _EPOCH + timedelta(microseconds=after.st_mtime_ns // 1000)


def _without_waiting(path: str, flags: int) -> int:
    """Open it at once, even if it is a pipe that nobody writes to."""
    return os.open(path, flags | os.O_NONBLOCK)
