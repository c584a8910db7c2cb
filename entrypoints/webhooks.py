"""What an operator may ask and do about webhooks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..domain.errors import UnknownWebhook
from ..domain.ports.webhooks import WebhookDirectory, WebhookStatus
from ..domain.webhooks import Webhook
from .api.webhooks import NewWebhookSchema, WebhookSchema, new_status, webhook_document
from .runtime.tables import aligned

PAGE = 100


def listing(directory: WebhookDirectory) -> Iterator[WebhookStatus]:
    """All of them, oldest first."""
    offset = 0
    while page := directory.page(offset, PAGE).items:
        yield from page
        offset += len(page)


def show(directory: WebhookDirectory, webhook_id: str) -> WebhookStatus:
    """One; raises UnknownWebhook."""
    status = directory.get(webhook_id)
    if status is None:
        raise UnknownWebhook(webhook_id)
    return status


def table(statuses: Sequence[WebhookStatus]) -> Iterator[str]:
    """A line a webhook, in columns."""
    rows = [("WEBHOOK", "STATE", "WAITING", "DEAD", "TYPES", "URL")]
    rows += [
        (
            status.webhook.id,
            _state(status.webhook),
            str(status.waiting),
            str(status.dead),
            ",".join(status.webhook.types),
            status.webhook.url,
        )
        for status in statuses
    ]
    return aligned(rows)


def details(status: WebhookStatus) -> Iterator[str]:
    """All of a webhook but its secret, in lines."""
    webhook = status.webhook
    yield f"webhook {webhook.id}: {_state(webhook)}"
    yield f"  {webhook.url}"
    yield f"  types {', '.join(webhook.types)}"
    yield f"  {status.waiting} waiting, {status.dead} dead"
    if status.problem:
        yield f"  why the last attempts failed: {status.problem}"


def _state(webhook: Webhook) -> str:
    return "enabled" if webhook.enabled else "disabled"


def as_json(status: WebhookStatus) -> str:
    """As the API has it."""
    return json.dumps(WebhookSchema().dump(webhook_document(status)))


def added_as_json(webhook: Webhook) -> str:
    """The same with the secret, which is shown this once."""
    document = webhook_document(new_status(webhook)) | {"secret": webhook.secret}
    return json.dumps(NewWebhookSchema().dump(document))
