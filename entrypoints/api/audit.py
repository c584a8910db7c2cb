"""What was changed by whom."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from ...domain.access import ADMIN
from . import refusals
from .blueprint import ApiBlueprint
from .paging import PAGINATION_HEADER, Paging
from .routing import PREFIX
from .schemas import PageQuery, Timestamp
from .services import app_state
from .stock import Listing

blueprint = ApiBlueprint("audit", __name__, description="Audit log", url_prefix=PREFIX)


class AuditSchema(Schema):
    """A change that somebody asked for, and what came of it."""

    at = Timestamp(required=True)
    actor = fields.String(
        required=True,
        metadata={"description": "token:<id>, jwt:<subject>, cli:<user> or anyone."},
    )
    actor_name = fields.String(required=True)
    operation = fields.String(
        required=True, metadata={"description": "An operationId of this document, or a command."}
    )
    path = fields.String(required=True, allow_none=True)
    target = fields.String(
        required=True, allow_none=True, metadata={"description": "What was to be changed."}
    )
    detail = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "What it is like from then on, without secrets."},
    )
    status = fields.Integer(
        required=True, metadata={"description": "Of HTTP, or a command's exit status."}
    )
    request_id = fields.String(required=True, allow_none=True)


@blueprint.operation(
    "GET",
    "/audit",
    scope=ADMIN,
    response=(200, AuditSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=PageQuery,
    refusals=(refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def list_audit(query: dict[str, Any]) -> Listing:
    """What was changed by whom, newest first."""
    paging = Paging.take_from(query)
    page = app_state().services.audit_trail.page(paging.offset, paging.size)
    return page.items, 200, paging.headers(page.total)
