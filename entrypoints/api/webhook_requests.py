"""What requests about webhooks must look like."""

from __future__ import annotations

from typing import Any

from ...domain.errors import InvalidValue
from ...domain.values import MAX_ID_LENGTH, check_text
from ...domain.webhooks import MAX_TYPES, MAX_URL_LENGTH, check_secret, check_types, check_url
from .problems import InvalidRequest
from .responses import JSON
from .schemas import TEXT_PATTERN

MAX_IDS = 1000

WEBHOOK_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "required": ["url"],
                "additionalProperties": False,
                "properties": {
                    "url": {
                        "type": "string",
                        "format": "uri",
                        "minLength": 1,
                        "maxLength": MAX_URL_LENGTH,
                        "pattern": r"^https?://",
                        "description": "Where events are sent.",
                    },
                    "types": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_TYPES,
                        "items": {
                            "type": "string",
                            "maxLength": MAX_ID_LENGTH,
                            "pattern": r"^(\*|[a-z_]+(\.[a-z_]+)*(\.\*)?)$",
                        },
                        "description": 'Types of events, or patterns such as "order.*"; unless '
                        "told, all.",
                    },
                    "secret": {
                        "type": "string",
                        "pattern": r"^whsec_[A-Za-z0-9+/]+=*$",
                        "description": "`whsec_` and 24 to 64 bytes in Base64; unless told, a new "
                        "one.",
                    },
                },
            },
            "example": {"url": "https://shop.example/events", "types": ["order.*"]},
        }
    },
}
REPLAY_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "ids": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_IDS,
                        "items": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": MAX_ID_LENGTH,
                            "pattern": TEXT_PATTERN,
                        },
                        "description": "Ids of messages; unless told, all dead ones.",
                    }
                },
            },
            "example": {},
        }
    },
}


def parse_webhook(document: Any) -> dict[str, Any]:
    """What `WebhookActions.add` takes; raises InvalidRequest with every field that is wrong."""
    checks = {
        # Whether it may be private is for the use case to say.
        "url": lambda value: check_url(value, private=True),
        "types": check_types,
        "secret": check_secret,
    }
    errors = _unknown(document, checks)
    if "url" not in document:
        errors["url"] = ["is required"]
    for field in checks.keys() & document.keys():
        try:
            checks[field](document[field])
        except InvalidValue as error:
            errors[field] = [error.expected]
    if errors:
        raise InvalidRequest(errors)
    return dict(document)


def parse_replay(document: Any) -> list[str] | None:
    """Ids of messages; None: all. Raises InvalidRequest."""
    errors = _unknown(document, {"ids"})
    ids = document.get("ids")
    if "ids" in document and not _is_list_of_texts(ids):
        errors["ids"] = [f"must be a list of 1 to {MAX_IDS} ids of messages"]
    if errors:
        raise InvalidRequest(errors)
    return ids  # type: ignore[no-any-return]


def _is_list_of_texts(value: object) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_IDS:
        return False
    try:
        for each in value:
            check_text(each, "ids")
    except InvalidValue:
        return False
    return True


def _unknown(document: Any, known: Any) -> dict[str, list[str]]:
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    return {key[:100]: ["unknown field"] for key in document if key not in known}
