"""What a request to add a vendor must look like: an entry of a vendors file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...domain.errors import InvalidValue
from ...domain.ports.vendor_directory import DeclaredVendor
from .problems import InvalidRequest
from .responses import JSON

VENDOR_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "description": "As in a vendors file, without `id`: `name`, `url`, `format` and "
                "more. Only feeds over HTTP, with their secrets as text.",
            },
            "example": {
                "name": "Acme",
                "type": "http",
                "url": "https://acme.example/stock.json",
                "format": "json",
            },
        }
    },
}


def parse_vendor(vendor_id: str, document: Any) -> DeclaredVendor:
    """The vendor in a JSON document; raises InvalidRequest with the field that is wrong.

    Nobody is to read our files or environment this way.
    """
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    if "id" in document:
        raise InvalidRequest({"id": ["stands in the address"]})
    if document.get("type") != "http":
        raise InvalidRequest({"type": ['must be "http"']})
    if "ids" in document:
        raise InvalidRequest({"ids": ["names a file, which only a vendors file may do"]})
    for field in ("headers", "auth"):
        if _has_reference(document.get(field)):
            raise InvalidRequest({field: ["must hold text; only a vendors file may refer to more"]})
    from ...adapters.vendors.config import declare

    try:
        return declare({**document, "id": vendor_id}, Path("/"))
    except InvalidValue as error:
        raise InvalidRequest({error.field[:100]: [error.expected]}) from error


def _has_reference(told: Any) -> bool:
    return isinstance(told, dict) and any(isinstance(value, dict) for value in told.values())
