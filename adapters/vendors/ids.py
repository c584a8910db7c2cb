"""A vendor's ids, and ours for the same products."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...domain.errors import InvalidValue
from ...domain.values import check_id, clean_id
from .csv_rows import read_csv
from .records import Record
from .text import opened

MAX_BYTES = 64 * 1024 * 1024
THEIRS, OURS = "vendor_sku", "product_id"


def read_ids(path: Path) -> dict[str, str]:
    """By their id, from a CSV file with the columns `vendor_sku` and `product_id`. InvalidValue."""
    try:
        with path.open("rb") as file, opened(file, MAX_BYTES) as source:
            document = read_csv(source, [THEIRS, OURS], delimiter=None, header=True)
            return _mapped(document.records)
    except OSError as error:
        raise InvalidValue("ids", f"{path}: {error.strerror or error}") from error
    except InvalidValue as error:
        raise InvalidValue("ids", f"{path}: {error}") from error


def _mapped(records: Iterable[Record]) -> dict[str, str]:
    ids: dict[str, str] = {}
    for record in records:
        theirs, ours = (clean_id(record.first(place)) for place in (THEIRS, OURS))
        check_id(theirs, record.place)
        check_id(ours, record.place)
        if ids.setdefault(theirs, ours) != ours:
            raise InvalidValue(record.place, f"is the second for {theirs!r}")
    return ids
