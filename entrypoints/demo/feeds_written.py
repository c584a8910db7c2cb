"""How the mock vendors write their reports: three shapes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import attrs

from ...domain.values import timestamp_text
from .feeds import CSV, PAGED_JSON, PLAIN_JSON
from .shelf import Row, Sheet

PAGE_SIZE = 4


@attrs.frozen(kw_only=True)
class Answer:
    """What a mock vendor sends."""

    body: bytes
    headers: Mapping[str, str]


def json_answer(document: Any) -> Answer:
    """A document in JSON."""
    body = json.dumps(document, indent=2, ensure_ascii=False).encode()
    return Answer(body=body, headers={"Content-Type": "application/json"})


def _plain_json(sheet: Sheet, _query: str) -> Answer:
    products = [
        {"product_id": row.product_id, "name": row.name, "quantity": row.quantity} | _sequence(row)
        for row in sheet.rows
    ]
    as_of = timestamp_text(sheet.as_of)
    return json_answer({"vendor": sheet.vendor.name, "as_of": as_of, "products": products})


def _csv(sheet: Sheet, _query: str) -> Answer:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["product_id", "name", "quantity", "sequence"])
    writer.writerows((r.product_id, r.name, r.quantity, r.sequence) for r in sheet.rows)
    modified = format_datetime(sheet.as_of.astimezone(UTC), usegmt=True)
    return Answer(
        body=text.getvalue().encode(),
        headers={"Content-Type": "text/csv; charset=utf-8", "Last-Modified": modified},
    )


def _paged_json(sheet: Sheet, query: str) -> Answer | None:
    given = parse_qs(query).get("page", ["1"])[0]
    last = max(1, -(-len(sheet.rows) // PAGE_SIZE))
    if given not in map(str, range(1, last + 1)):
        return None
    page = int(given)
    chosen = sheet.rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    as_of = timestamp_text(sheet.as_of)
    return json_answer(
        {
            "meta": {"vendor": sheet.vendor.name, "generated_at": as_of, "total": len(sheet.rows)},
            "data": [
                {"sku": r.product_id, "title": r.name, "qty": r.quantity} | _sequence(r)
                for r in chosen
            ],
            "next": f"{PAGED_JSON.path}?page={page + 1}" if page < last else None,
        }
    )


def _sequence(row: Row) -> dict[str, int]:
    return {} if row.sequence is None else {"sequence": row.sequence}


# By vendor, from a report and the query of the request; None where there is no such page.
WRITERS: Mapping[str, Callable[[Sheet, str], Answer | None]] = {
    PLAIN_JSON.vendor_id: _plain_json,
    CSV.vendor_id: _csv,
    PAGED_JSON.vendor_id: _paged_json,
}
