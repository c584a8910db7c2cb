"""From the bytes of a feed to its text: unpacked and decoded, a little at a time.

What is too large for memory lies in a temporary file.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import attrs

from ...domain.errors import InvalidValue

# What a document may have that has to be read as a whole.
MAX_WHOLE_BYTES = 64 * 1024 * 1024
# In one line.
MAX_LINE_LENGTH = 1024 * 1024
_IN_MEMORY = 8 * 1024 * 1024
_CHUNK = 1024 * 1024

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8, _WINDOWS = "utf-8", "windows-1252"
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"


def temporary_file() -> IO[bytes]:
    """One that stays in memory while it is small."""
    return SpooledTemporaryFile(max_size=_IN_MEMORY)


@attrs.frozen(kw_only=True)
class Source:
    """A document, and the encoding of its text."""

    file: IO[bytes]
    encoding: str
    errors: str = "strict"

    @property
    def size(self) -> int:
        """In bytes."""
        return self.file.seek(0, os.SEEK_END)

    def digest(self) -> bytes:
        """Of all bytes."""
        self.file.seek(0)
        digest = sha256()
        while chunk := self.file.read(_CHUNK):
            digest.update(chunk)
        return digest.digest()

    def lines(self) -> Iterator[str]:
        """Each line with its end; raises InvalidValue for one without an end in sight."""
        with self.text() as text:
            while line := text.readline(MAX_LINE_LENGTH):
                if len(line) == MAX_LINE_LENGTH:
                    raise InvalidValue("the document", f"a line of {MAX_LINE_LENGTH} characters")
                yield line

    def whole(self) -> str:
        """All of the text; raises InvalidValue if that is too much."""
        if self.size > MAX_WHOLE_BYTES:
            raise InvalidValue(
                "the document", f"larger than {MAX_WHOLE_BYTES} bytes, and no plain list"
            )
        with self.text() as text:
            return text.read()

    @contextmanager
    def text(self) -> Iterator[io.TextIOWrapper]:
        """From the beginning."""
        self.file.seek(0)
        wrapper = io.TextIOWrapper(
            self.file, encoding=self.encoding, errors=self.errors, newline=""
        )
        try:
            if wrapper.read(1) != "\ufeff":
                wrapper.seek(0)
            yield wrapper
        finally:
            # The file stays open.
            wrapper.detach()


@contextmanager
def opened(file: IO[bytes], max_bytes: int, encoding: str | None = None) -> Iterator[Source]:
    """Unpacked if it is packed, in the encoding given, else as the bytes look.

    InvalidValue where it is broken, too large, or not in the encoding that was given.
    """
    with ExitStack() as stack:
        unpacked = _unpack(file, max_bytes, stack)
        yield _decoded(unpacked, encoding)


def _decoded(unpacked: IO[bytes], encoding: str | None) -> Source:
    if encoding is not None:
        _check_encoding(unpacked, encoding)
        return Source(file=unpacked, encoding=encoding)
    unpacked.seek(0)
    beginning = unpacked.read(4)
    for mark, name in _BYTE_ORDER_MARKS:
        if beginning.startswith(mark):
            return Source(file=unpacked, encoding=name, errors="replace")
    try:
        _check_encoding(unpacked, _UTF8)
    except InvalidValue:
        # Every byte means something in it, or nearly: what Windows programs write.
        return Source(file=unpacked, encoding=_WINDOWS, errors="replace")
    return Source(file=unpacked, encoding=_UTF8)


def _unpack(file: IO[bytes], max_bytes: int, stack: ExitStack) -> IO[bytes]:
    """What a gzip file, or a zip file of one file, holds; anything else as it is."""
    file.seek(0)
    beginning = file.read(4)
    file.seek(0)
    try:
        if beginning.startswith(_GZIP):
            with gzip.open(file) as packed:
                return _copied(packed, max_bytes, stack)
        if beginning.startswith(_ZIP):
            with zipfile.ZipFile(file) as archive, archive.open(_only_name(archive)) as packed:
                return _copied(packed, max_bytes, stack)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise InvalidValue("the document", f"cannot be unpacked: {error}") from error
    return file


def _only_name(archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if len(names) != 1:
        raise InvalidValue("the zip file", f"must hold one file, but has {len(names)}")
    return names[0]


def _copied(packed: Any, max_bytes: int, stack: ExitStack) -> IO[bytes]:
    copy = stack.enter_context(temporary_file())
    left = max_bytes
    while chunk := packed.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise InvalidValue("the document", f"larger than {max_bytes} bytes when unpacked")
        copy.write(chunk)
    return copy


def _check_encoding(file: IO[bytes], encoding: str) -> None:
    file.seek(0)
    # Bytes before those that the decoder looks at next.
    done = 0
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
            done = file.tell() - len(decoder.getstate()[0])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        problem = f"not {encoding} at byte {done + error.start}"
        raise InvalidValue("the document", problem) from error
    except LookupError as error:
        raise InvalidValue("the document", f"not {encoding}") from error
