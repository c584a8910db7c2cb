"""How we prove to a vendor who we are, with secrets that may lie outside the vendors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import httpx
from httpx_auth import OAuth2ClientCredentials

from ...domain.errors import InvalidValue

_OAUTH2 = ("token_url", "client_id", "client_secret")


def secret(value: object, field: str, folder: Path) -> str:
    """Text as it stands, or `{"env": NAME}` or `{"file": PATH}` for where it is. InvalidValue."""
    match value:
        case str():
            return value
        case {"env": str(name), **rest} if not rest:
            if name in os.environ:
                return os.environ[name]
            raise InvalidValue(field, f"the environment has no {name}")
        case {"file": str(name), **rest} if not rest:
            try:
                return (folder / name).read_text("utf-8").strip()
            except (OSError, ValueError) as error:
                raise InvalidValue(field, f"{name} cannot be read: {error}") from error
    raise InvalidValue(field, 'must be text, {"env": NAME} or {"file": PATH}')


def authorization(told: object, folder: Path) -> httpx.Auth:
    """`{"type": "basic" or "oauth2", …}`; raises InvalidValue."""
    match told:
        case {"type": "basic", "user": user, "password": password, **rest} if not rest:
            return httpx.BasicAuth(
                secret(user, "auth.user", folder), secret(password, "auth.password", folder)
            )
        case {"type": "oauth2", **rest}:
            return _oauth2({str(key): value for key, value in rest.items()}, folder)
    raise InvalidValue("auth", 'must have a type, "basic" or "oauth2", and what that needs')


def _oauth2(told: Mapping[str, object], folder: Path) -> httpx.Auth:
    unknown = told.keys() - {*_OAUTH2, "scope"}
    missing = [key for key in _OAUTH2 if key not in told]
    if unknown or missing:
        raise InvalidValue("auth", f"must have {', '.join(_OAUTH2)}, and may have scope")
    given = {key: secret(value, f"auth.{key}", folder) for key, value in told.items()}
    try:
        credentials: httpx.Auth = OAuth2ClientCredentials(**given)
    except Exception as error:
        raise InvalidValue("auth", str(error)) from error
    return credentials
