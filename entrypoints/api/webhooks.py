"""Webhooks: who is told what happens, and what could not be told."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from flask import Response
from marshmallow import Schema, fields
from werkzeug.exceptions import NotFound

from ...domain.access import OPERATE
from ...domain.audit import about_webhook
from ...domain.errors import InvalidValue, UnknownWebhook
from ...domain.ports.webhooks import WebhookStatus
from ...domain.webhooks import Delivery, Webhook
from . import refusals
from .access import tell_change
from .blueprint import ApiBlueprint
from .bodies import json_body
from .idempotency import answered, request_key
from .paging import PAGINATION_HEADER, Paging
from .problems import InvalidRequest
from .routing import PREFIX
from .schemas import PageQuery, Timestamp
from .services import app_state, current_request
from .stock import Listing
from .webhook_requests import REPLAY_BODY, WEBHOOK_BODY, parse_replay, parse_webhook

blueprint = ApiBlueprint("webhook", __name__, description="Webhooks", url_prefix=PREFIX)

_READ = (refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE)
_WRITE = (*_READ, refusals.CONFLICT)
_BODY = (
    refusals.MALFORMED_JSON,
    refusals.TOO_LARGE,
    refusals.UNSUPPORTED_MEDIA_TYPE,
    refusals.INVALID_WEBHOOK,
)


class WebhookSchema(Schema):
    """A webhook, and how it is getting on."""

    id = fields.UUID(required=True)
    url = fields.String(required=True)
    types = fields.List(fields.String(), required=True)
    enabled = fields.Boolean(
        required=True, metadata={"description": "No longer, once it answered 410."}
    )
    created_at = Timestamp(required=True)
    waiting = fields.Integer(
        required=True, metadata={"minimum": 0, "description": "Deliveries yet to arrive."}
    )
    dead = fields.Integer(
        required=True, metadata={"minimum": 0, "description": "Deliveries tried no more."}
    )
    problem = fields.String(
        required=True, allow_none=True, metadata={"description": "Why the last attempts failed."}
    )


class NewWebhookSchema(WebhookSchema):
    """A webhook, and what its messages are signed with. That is shown here and never again."""

    secret = fields.String(required=True, metadata={"example": "whsec_…"})


class DeadDeliverySchema(Schema):
    """A delivery that is tried no more."""

    id = fields.String(required=True, metadata={"description": "The CloudEvent's id."})
    subject = fields.String(required=True)
    attempts = fields.Integer(required=True, metadata={"minimum": 0})
    problem = fields.String(required=True, allow_none=True)
    body = fields.String(required=True, metadata={"description": "The CloudEvent in JSON."})


class ReplayedSchema(Schema):
    """How many deliveries are tried anew."""

    replayed = fields.Integer(required=True, metadata={"minimum": 0})


@blueprint.operation(
    "POST",
    "/webhook",
    scope=OPERATE,
    response=(201, NewWebhookSchema()),
    refusals=(*_BODY, *_WRITE),
    requestBody=WEBHOOK_BODY,
)
def add_webhook() -> Response:
    """Have events sent to an address from now on, signed as Standard Webhooks has it."""
    services, request = app_state().services, current_request()
    key = request_key(request)
    told = parse_webhook(json_body(request, services.limits.max_body_bytes))
    try:
        answer = services.webhook_actions.add_once(**told, answer=_rendered, request=key)
    except InvalidValue as error:
        raise InvalidRequest({error.field: [error.expected]}) from error
    made = json.loads(answer.text)
    tell_change(request, about_webhook(made["url"], made["types"]), target=made["id"])
    return answered(answer, 201)


@blueprint.operation(
    "GET",
    "/webhook",
    scope=OPERATE,
    response=(200, WebhookSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=PageQuery,
    refusals=_READ,
)
def list_webhooks(query: dict[str, Any]) -> Listing:
    """Webhooks, oldest first."""
    paging = Paging.take_from(query)
    page = app_state().services.webhook_actions.directory.page(paging.offset, paging.size)
    return tuple(map(webhook_document, page.items)), 200, paging.headers(page.total)


@blueprint.operation(
    "GET",
    "/webhook/<uuid:webhook_id>",
    scope=OPERATE,
    response=(200, WebhookSchema()),
    refusals=(refusals.UNKNOWN_WEBHOOK, *_READ),
)
def get_webhook(webhook_id: UUID) -> dict[str, Any]:
    """One webhook."""
    return webhook_document(_known(webhook_id))


@blueprint.operation(
    "DELETE",
    "/webhook/<uuid:webhook_id>",
    scope=OPERATE,
    response=(204, None),
    refusals=(refusals.UNKNOWN_WEBHOOK, *_WRITE),
)
def remove_webhook(webhook_id: UUID) -> Response:
    """Tell a webhook nothing more, what waits included."""
    key = request_key(current_request())
    try:
        return answered(app_state().services.webhook_actions.remove(str(webhook_id), key), 204)
    except UnknownWebhook as error:
        raise _unknown(webhook_id) from error


@blueprint.operation(
    "GET",
    "/webhook/<uuid:webhook_id>/dead",
    scope=OPERATE,
    response=(200, DeadDeliverySchema(many=True)),
    headers=PAGINATION_HEADER,
    query=PageQuery,
    refusals=(refusals.UNKNOWN_WEBHOOK, *_READ),
)
def list_dead_deliveries(query: dict[str, Any], webhook_id: UUID) -> Listing:
    """Deliveries that are tried no more, oldest first."""
    _known(webhook_id)
    paging = Paging.take_from(query)
    directory = app_state().services.webhook_actions.directory
    page = directory.dead(str(webhook_id), paging.offset, paging.size)
    return tuple(map(dead_document, page.items)), 200, paging.headers(page.total)


@blueprint.operation(
    "POST",
    "/webhook/<uuid:webhook_id>/replay",
    scope=OPERATE,
    response=(200, ReplayedSchema()),
    refusals=(refusals.UNKNOWN_WEBHOOK, *_BODY, *_WRITE),
    requestBody=REPLAY_BODY,
)
def replay_deliveries(webhook_id: UUID) -> Response:
    """Try dead deliveries anew, these or all. A webhook that was disabled is enabled again."""
    services, request = app_state().services, current_request()
    key = request_key(request)
    ids = parse_replay(json_body(request, services.limits.max_body_bytes))
    replay = services.webhook_actions.replay_once
    try:
        return answered(replay(str(webhook_id), ids, answer=_replayed, request=key))
    except UnknownWebhook as error:
        raise _unknown(webhook_id) from error


def new_status(webhook: Webhook) -> WebhookStatus:
    """Of one that was just added."""
    return WebhookStatus(webhook=webhook, waiting=0, dead=0, problem=None)


def webhook_document(status: WebhookStatus) -> dict[str, Any]:
    """As the answers have it, without its secret."""
    webhook = status.webhook
    return {
        "id": webhook.id,
        "url": webhook.url,
        "types": list(webhook.types),
        "enabled": webhook.enabled,
        "created_at": webhook.created_at,
        "waiting": status.waiting,
        "dead": status.dead,
        "problem": status.problem,
    }


def dead_document(delivery: Delivery) -> dict[str, Any]:
    """As the answers have it."""
    return {
        "id": delivery.message_id,
        "subject": delivery.subject,
        "attempts": delivery.attempts,
        "problem": delivery.problem,
        "body": delivery.body,
    }


def _rendered(webhook: Webhook) -> str:
    added = webhook_document(new_status(webhook)) | {"secret": webhook.secret}
    return json.dumps(NewWebhookSchema().dump(added))


def _replayed(deliveries: int) -> str:
    return json.dumps({"replayed": deliveries})


def _known(webhook_id: UUID) -> WebhookStatus:
    status = app_state().services.webhook_actions.directory.get(str(webhook_id))
    if status is None:
        raise _unknown(webhook_id)
    return status


def _unknown(webhook_id: UUID) -> NotFound:
    return NotFound(f"no webhook {webhook_id}")
