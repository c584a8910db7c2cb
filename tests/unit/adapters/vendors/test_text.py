"""From bytes to text."""

from __future__ import annotations

import gzip
import io
import zipfile
from contextlib import nullcontext, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.adapters.vendors.text import opened
from order_aggregator.domain.errors import InvalidValue

BODY = b"product_id,quantity\na,1\n"
LIMIT = 1000


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, BODY)
    return file.getvalue()


def unpack(body: bytes, limit: int = LIMIT) -> bytes:
    with opened(io.BytesIO(body), limit) as source:
        return source.whole().encode()


def decode(body: bytes, encoding: str | None = None) -> tuple[str, str]:
    with opened(io.BytesIO(body), LIMIT, encoding) as source:
        return source.whole(), source.encoding


def test_gzip_and_zip_are_unpacked_and_anything_else_is_as_it_is() -> None:
    for packed in (gzip.compress(BODY), _zip("stock.csv"), _zip("folder/", "folder/a"), BODY):
        assert unpack(packed, LIMIT) == BODY


@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        (_zip("a.csv", "b.csv"), "must hold one file, but has 2"),
        (_zip("folder/"), "must hold one file, but has 0"),
        (gzip.compress(b"0" * (LIMIT + 1)), "larger than 1000 bytes when unpacked"),
        (gzip.compress(BODY)[:-9], "cannot be unpacked"),
        (_zip("a.csv")[:40], "cannot be unpacked"),
    ],
    ids=["two files", "no file", "too large", "half a gzip", "half a zip"],
)
def test_what_is_broken_or_too_large_is_refused(packed: bytes, problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        unpack(packed, LIMIT)


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("windows-1252", "windows-1252"),
    ],
)
def test_the_encoding_is_seen_in_the_bytes(encoding: str, found: str) -> None:
    assert decode("ä,€".encode(encoding)) == ("ä,€", found)


def test_the_encoding_may_be_named() -> None:
    assert decode("ä".encode("cp437"), "cp437") == ("ä", "cp437")
    assert decode(b"\xef\xbb\xbfa", "utf-8") == ("a", "utf-8")
    with pytest.raises(InvalidValue, match="not utf-8 at byte 1"):
        decode("aä".encode("latin-1"), "utf-8")


@given(st.binary(max_size=100))
def test_any_bytes_are_some_text(body: bytes) -> None:
    packed = body.startswith((b"\x1f\x8b", b"PK\x03\x04"))
    with suppress(InvalidValue) if packed else nullcontext():
        text, _ = decode(body)
        assert isinstance(text, str)
