"""Messages that were given up: looked at, replayed and discarded."""

from __future__ import annotations

from typing import Any

from flask import Response
from werkzeug.exceptions import NotFound

from ...domain.access import OPERATE
from ...domain.errors import UnknownDeadLetter
from ..documents import dead_letter_document, dead_letter_text
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
        return answered(replay(dead_letter_id, dead_letter_text, key))
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


def _unknown(dead_letter_id: str) -> NotFound:
    return NotFound(f"no dead letter {dead_letter_id[:100]}")
