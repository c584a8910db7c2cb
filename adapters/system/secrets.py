"""Secrets that nobody can guess."""

from __future__ import annotations

import secrets
from base64 import b64encode

from ...domain.access import RANDOM_LENGTH, TOKEN_CHARACTERS, token_text
from ...domain.webhooks import SECRET_PREFIX

_BYTES = 32


def new_secret() -> str:
    """What a webhook's messages are signed with, as Standard Webhooks has it."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(_BYTES)).decode()


def new_token() -> str:
    """An API token."""
    return token_text("".join(secrets.choice(TOKEN_CHARACTERS) for _ in range(RANDOM_LENGTH)))
