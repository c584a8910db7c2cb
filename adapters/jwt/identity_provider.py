"""JSON Web Tokens (RFC 7519) of an identity provider, as RFC 8725 has them verified."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import jwt
from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError, PyJWKSetError

from ...domain.access import Principal, Unauthenticated, permitted_by
from ...domain.errors import IdentityProviderUnavailable
from ..system.log import Log

log = Log()

# Never "none", and never a secret that both sides know: what verifies could then also sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
# How far the provider's clock may be from ours.
LEEWAY = timedelta(seconds=30)
# Seconds: how long a set of keys counts; how soon it is fetched again for a key that is not in it,
# and after it could not be fetched; and how long a fetch may take.
KEYS_KEPT = 600
COOLDOWN = 10.0
BACKOFF = 5.0
TIMEOUT = 5.0


class JwtIdentityProvider:
    """IdentityProvider by JWTs, signed with keys of a JWK Set (RFC 7517) that is fetched by URL."""

    def __init__(self, issuer: str, audience: str, keys_url: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = jwt.PyJWKClient(
            keys_url, timeout=TIMEOUT, lifespan=KEYS_KEPT, cooldown_duration=COOLDOWN
        )
        self._down_until = 0.0

    def verify(self, token: str) -> Principal:
        """By the key that it names."""
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            expires_at = datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY
        except (jwt.InvalidTokenError, OverflowError, ValueError, OSError) as error:
            raise Unauthenticated(f"the JWT is not valid: {error}") from error
        return Principal(
            id=f"jwt:{claims['sub']}",
            name=str(claims.get("name") or claims.get("client_id") or ""),
            permitted=permitted_by(_scopes(claims)),
            expires_at=expires_at,
        )

    def _key_of(self, token: str) -> jwt.PyJWK:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError("its algorithm is not accepted")
        if monotonic() < self._down_until:
            raise IdentityProviderUnavailable("the identity provider's keys cannot be fetched")
        try:
            return self._keys.get_signing_key(header.get("kid", ""))
        except (PyJWKClientConnectionError, PyJWKSetError, ValueError) as error:
            self._down_until = monotonic() + BACKOFF
            log.warning("access.keys_not_fetched", url=self._keys.uri, reason=str(error))
            raise IdentityProviderUnavailable(
                "the identity provider's keys cannot be fetched"
            ) from error
        except PyJWKClientError as error:
            raise jwt.InvalidTokenError("no key of the identity provider signed it") from error


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """Of `scope`, as RFC 8693 has it, or of `scp`, which some providers say instead."""
    found = claims.get("scope", claims.get("scp", ""))
    each = found.split(" ") if isinstance(found, str) else found
    return [scope for scope in each if isinstance(scope, str)] if isinstance(each, list) else []
