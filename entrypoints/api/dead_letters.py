"""Messages that were given up: looked at, replayed and discarded."""

from __future__ import annotations

import json
from typing import Any

from flask import Response
from werkzeug.exceptions import NotFound

from ...adapters.wire import decode
from ...domain.access import OPERATE
from ...domain.errors import MalformedMessage, UnknownDeadLetter
from ...domain.ports.message_bus import DeadLetter
from ...domain.values import timestamp_text
from . import refusals
from .blueprint import ApiBlueprint
from .idempotency import answered, request_key
from .responses import json_response
from .routing import PREFIX
from .schemas import DeadLetterQuery, DeadLetterSchema
from .services import app_state, current_request

blueprint = ApiBlueprint(
    "dead-letters", __name__, description="Messages that were given up", url_prefix=PREFIX
)

UNAVAILABLE = (
    refusals.OVERLOADED,
    refusals.STORAGE_UNAVAILABLE,
    refusals.BROKER_UNAVAILABLE,
)


@blueprint.operation(
    "GET",
    "/dead-letter",
    scope=OPERATE,
    response=(200, DeadLetterSchema(many=True)),
    query=DeadLetterQuery,
    refusals=UNAVAILABLE,
)
def list_dead_letters(query: dict[str, Any]) -> Response:
    """Messages that were given up, oldest first."""
    letters = app_state().services.dead_letter_actions.letters
    found = letters.dead_letters(query["limit"], query.get("after"))
    return json_response([dead_letter_document(letter) for letter in found])


@blueprint.operation(
    "GET",
    "/dead-letter/<string:dead_letter_id>",
    scope=OPERATE,
    response=(200, DeadLetterSchema()),
    prebuilt=True,
    refusals=(refusals.UNKNOWN_DEAD_LETTER, *UNAVAILABLE),
)
def get_dead_letter(dead_letter_id: str) -> Response:
    """A message that was given up."""
    found = app_state().services.dead_letter_actions.letters.find_dead_letters([dead_letter_id])
    if not found:
        raise _unknown(dead_letter_id)
    return json_response(dead_letter_document(found[0]))


@blueprint.operation(
    "POST",
    "/dead-letter/<string:dead_letter_id>/replay",
    scope=OPERATE,
    response=(200, DeadLetterSchema()),
    refusals=(refusals.UNKNOWN_DEAD_LETTER, *UNAVAILABLE, refusals.CONFLICT),
)
def replay_dead_letter(dead_letter_id: str) -> Response:
    """Return a message to the queue, as if it were new. Orders that are done stay as they are."""
    replay = app_state().services.dead_letter_actions.replay
    key = request_key(current_request())
    try:
        return answered(replay(dead_letter_id, _rendered, key))
    except UnknownDeadLetter as error:
        raise _unknown(dead_letter_id) from error


@blueprint.operation(
    "DELETE",
    "/dead-letter/<string:dead_letter_id>",
    scope=OPERATE,
    response=(204, None),
    refusals=(refusals.UNKNOWN_DEAD_LETTER, *UNAVAILABLE, refusals.CONFLICT),
)
def discard_dead_letter(dead_letter_id: str) -> Response:
    """Delete a message for good. Its orders stay as they are."""
    discard = app_state().services.dead_letter_actions.discard
    key = request_key(current_request())
    try:
        return answered(discard(dead_letter_id, key), 204)
    except UnknownDeadLetter as error:
        raise _unknown(dead_letter_id) from error


def dead_letter_document(letter: DeadLetter) -> dict[str, Any]:
    """The message as `DeadLetterSchema` has it."""
    return {
        "id": letter.id,
        "order_ids": order_ids(letter),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "parked_at": None if letter.parked_at is None else timestamp_text(letter.parked_at),
        "body": letter.body.decode(errors="backslashreplace"),
    }


def order_ids(letter: DeadLetter) -> list[str]:
    """The orders that it announces; none if it cannot be read."""
    try:
        return [str(order_id) for order_id in decode(letter.body)]
    except MalformedMessage:
        return []


def _rendered(letter: DeadLetter) -> str:
    return json.dumps(dead_letter_document(letter))


def _unknown(dead_letter_id: str) -> NotFound:
    return NotFound(f"no dead letter {dead_letter_id[:100]}")
