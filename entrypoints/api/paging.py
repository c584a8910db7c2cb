"""Listings in parts."""

from __future__ import annotations

import json
from typing import Any

import attrs
from flask_smorest.pagination import PaginationMixin  # type: ignore[import-untyped]

PAGINATION_HEADER = {
    PaginationMixin.PAGINATION_HEADER_NAME: {
        "description": "Where in the listing the answer stands.",
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PaginationMetadata"}}
        },
    }
}


@attrs.frozen(kw_only=True)
class Paging:
    """A part of a listing: `number` counts from 1, `size` is in items."""

    number: int
    size: int

    @classmethod
    def take_from(cls, query: dict[str, Any]) -> Paging:
        """Take the paging out of a query, so that the filters are left."""
        return cls(number=query.pop("page"), size=query.pop("page_size"))

    @property
    def offset(self) -> int:
        """How many items lie before."""
        return (self.number - 1) * self.size

    def headers(self, total: int) -> dict[str, str]:
        """The header that says where in a listing of `total` items this part stands."""
        metadata = PaginationMixin._make_pagination_metadata(self.number, self.size, total)  # noqa: SLF001 - flask-smorest's own way to say it
        return {PaginationMixin.PAGINATION_HEADER_NAME: json.dumps(metadata)}
