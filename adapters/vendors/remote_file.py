"""A vendor's feed as a file elsewhere: on an SFTP server, in S3, or wherever fsspec reaches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

import attrs
import fsspec  # type: ignore[import-untyped]

from ...domain.errors import InvalidSnapshot, InvalidValue, VendorUnavailable
from ...domain.stock import Vendor
from ...domain.stock_updates import StockUpdates
from ...domain.vendor_sync import Snapshot, VendorTerms
from .feed import MAX_BYTES, TOO_LARGE, FeedFormat, FeedReader
from .text import temporary_file

_CHUNK = 1024 * 1024
# What file systems call the time at which a file was changed.
_CHANGED = ("mtime", "LastModified", "last_modified", "modified", "created")


def _to_url(url: str) -> str:
    if "://" not in url:
        raise InvalidValue("url", "must begin with a protocol, such as sftp:// or s3://")
    return url


@attrs.frozen(kw_only=True)
class RemoteFileVendorGateway:
    """VendorGateway on a file that fsspec opens; `as_of` is what it says, else when it changed."""

    vendor: Vendor
    # It may hold a password, as may the options: neither is ever shown.
    url: str = attrs.field(converter=_to_url, repr=False)
    feed_format: FeedFormat
    terms: VendorTerms = attrs.field(factory=VendorTerms)
    # Of the file system, such as `username` or `key_filename`.
    options: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    def fetch(self) -> Snapshot | StockUpdates:
        """Copy the file and read it. Raises VendorUnavailable or InvalidSnapshot."""
        reader = FeedReader(self.feed_format, self.vendor)
        with temporary_file() as copy:
            changed = self._copy(copy)
            with reader.read(copy):
                pass
        reader.finish()
        return reader.report(changed, "" if changed is None else changed.isoformat())

    def _copy(self, copy: IO[bytes]) -> datetime | None:
        """When the file was last changed, if that can be told."""
        protocol = self.url.partition("://")[0]
        try:
            files, path = fsspec.core.url_to_fs(self.url, **self.options)
            before = files.info(path)
            with files.open(path, "rb") as file:
                size = _copy_up_to(MAX_BYTES, file, copy)
        except Exception as error:
            # Each file system has errors of its own; what is secret may stand in the URL.
            problem = f"{protocol}: {type(error).__name__}: {error}".replace(self.url, "the file")
            raise VendorUnavailable(self.vendor.id, " ".join(problem.split())) from error
        if size > MAX_BYTES:
            raise InvalidSnapshot(self.vendor.id, TOO_LARGE)
        if before.get("size") not in (None, size):
            raise VendorUnavailable(self.vendor.id, f"{protocol}: changed while being read")
        return _changed(before)


def _copy_up_to(limit: int, file: IO[bytes], copy: IO[bytes]) -> int:
    """How many bytes there are, or at least more than the limit."""
    size = 0
    while size <= limit and (chunk := file.read(_CHUNK)):
        copy.write(chunk)
        size += len(chunk)
    return size


def _changed(info: Mapping[str, Any]) -> datetime | None:
    for name in _CHANGED:
        value = info.get(name)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    return None
