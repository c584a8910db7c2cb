"""From the bytes of a feed to its text: unpacked and decoded. No I/O."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib
from typing import IO

from ...domain.errors import InvalidValue

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"


def unpack(body: bytes, max_bytes: int) -> bytes:
    """What a gzip file, or a zip file of one file, holds; anything else as it is.

    InvalidValue for a broken or too large one.
    """
    try:
        if body.startswith(_GZIP):
            with gzip.open(io.BytesIO(body)) as file:
                return _all_of(file, max_bytes)
        if body.startswith(_ZIP):
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
                if len(names) != 1:
                    raise InvalidValue("the zip file", f"must hold one file, but has {len(names)}")
                with archive.open(names[0]) as file:
                    return _all_of(file, max_bytes)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise InvalidValue("the document", f"cannot be unpacked: {error}") from error
    return body


def _all_of(file: IO[bytes] | gzip.GzipFile, max_bytes: int) -> bytes:
    content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InvalidValue("the document", f"larger than {max_bytes} bytes when unpacked")
    return content


def decode(body: bytes, encoding: str | None = None) -> tuple[str, str]:
    """The text, and the encoding that it was in: the one given, else as the bytes look.

    InvalidValue where they are not in the encoding that was given.
    """
    if encoding is not None:
        try:
            return body.decode(encoding).removeprefix("\ufeff"), encoding
        except (UnicodeDecodeError, LookupError) as error:
            where = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
            raise InvalidValue("the document", f"not {encoding}{where}") from error
    for mark, name in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body.decode(name, errors="replace"), name
    try:
        return body.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        # Every byte means something in it, or nearly: what Windows programs write.
        return body.decode("windows-1252", errors="replace"), "windows-1252"
