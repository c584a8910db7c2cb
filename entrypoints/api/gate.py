"""Who calls: by a token of ours, or a JWT. What is known is kept for a few seconds.

Telling who calls is then a look into a dictionary: no request waits for the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from time import monotonic, sleep

import attrs

from ...adapters.system.greenlets import result_of, run_in_thread
from ...domain.access import (
    ANYONE,
    TOKEN_PREFIX,
    Principal,
    Unauthenticated,
    digest_of,
    is_token,
)
from ...domain.errors import Conflict, StorageUnavailable, Unavailable
from ...domain.ports.clock import Clock
from ...domain.ports.identity_provider import IdentityProvider
from ...domain.use_cases.token_actions import TokenActions
from .token_uses import TokenUses

# Seconds. Tokens are read again in the background after the first of them, and no request is
# answered by what was read longer ago than the second: so soon a token is revoked. For one that is
# not known, which may have been made since, they are read once more, but no more often than this.
REFRESH_AFTER = 2.0
FRESH_FOR = 5.0
READ_EVERY = 0.1
# Seconds that a JWT counts as verified, and how many of them are known at once.
VERIFIED_FOR = 60.0
MAX_VERIFIED = 10_000
_BEARER = "bearer"


@attrs.frozen(kw_only=True)
class _Known:
    """The tokens that were valid when they were read, by digest."""

    tokens: Mapping[str, Principal]
    # Whether somebody has ever made one: the API is open no longer.
    is_closed: bool
    read_at: float


class Gate:
    """Tells who calls. Thread-safe; in an event loop, greenlets wait and the loop goes on."""

    def __init__(
        self,
        tokens: TokenActions,
        clock: Clock,
        *,
        is_open: bool,
        is_local: bool = False,
        identity_provider: IdentityProvider | None = None,
    ) -> None:
        """`is_open`: anyone may call, as long as no token was made and nobody vouches.

        `is_local`: because only this machine can.
        """
        self.is_local = is_local
        self._tokens = tokens
        self._clock = clock
        self._is_open = is_open and identity_provider is None
        self._identity_provider = identity_provider
        self._known = _Known(tokens={}, is_closed=True, read_at=-FRESH_FOR)
        # None: the next one has to be asked for.
        self._reading: Future[_Known] | None = None
        self._lock = Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="tokens")
        self.uses = TokenUses(tokens, clock)
        # When a JWT was verified.
        self._verified: dict[str, tuple[Principal, float]] = {}

    def close(self) -> None:
        """Return when all uses that were to be noted are."""
        self.uses.close()

    def principal(self, authorization: str | None, *, may_be_old: bool = False) -> Principal:
        """Who calls with this header. Raises Unauthenticated or Unavailable.

        `may_be_old`: while the database is away, by what was known last; if that is nothing, and
        only this machine can call, anyone may.
        """
        scheme, _, credentials = (authorization or "").partition(" ")
        given = credentials.strip(" ") if scheme.lower() == _BEARER else ""
        if given.startswith(TOKEN_PREFIX):
            return self._by_token(given, may_be_old=may_be_old)
        if given and self._identity_provider is not None:
            return self._by_jwt(given, self._identity_provider)
        if self._is_open and not self._current(may_be_old=may_be_old).is_closed:
            return ANYONE
        if authorization is None:
            raise Unauthenticated("a bearer token is needed", given=False)
        raise Unauthenticated("the credentials are none that are known here")

    def require_valid(self, principal: Principal, authorization: str | None) -> None:
        """Raise Unauthenticated unless it may still call: for what goes on for long."""
        if self.principal(authorization).id != principal.id:
            raise Unauthenticated("the credentials have changed")

    def _by_token(self, token: str, *, may_be_old: bool) -> Principal:
        principal = self._find(token, may_be_old=may_be_old)
        if principal is None:
            raise Unauthenticated("the token is unknown, or revoked")
        if principal.has_expired(self._clock.now()):
            raise Unauthenticated("the token has expired")
        self.uses.note(principal)
        return principal

    def _find(self, token: str, *, may_be_old: bool) -> Principal | None:
        digest, known = digest_of(token), self._current(may_be_old=may_be_old)
        found = known.tokens.get(digest)
        if found is not None or not is_token(token):
            return found
        return self._read_again().tokens.get(digest)

    def _by_jwt(self, token: str, identity_provider: IdentityProvider) -> Principal:
        digest, now = digest_of(token), monotonic()
        principal, verified_at = self._verified.get(digest, (None, 0.0))
        if principal is None or now - verified_at > VERIFIED_FOR:
            principal = run_in_thread(identity_provider.verify, token)
            if len(self._verified) >= MAX_VERIFIED:
                self._verified.clear()
            self._verified[digest] = (principal, now)
        if principal.has_expired(self._clock.now()):
            raise Unauthenticated("the JWT has expired")
        return principal

    def _current(self, *, may_be_old: bool) -> _Known:
        """The tokens as of a few seconds ago at most. Raises StorageUnavailable."""
        known = self._known
        age = monotonic() - known.read_at
        if age < REFRESH_AFTER:
            return known
        if age < FRESH_FOR or (may_be_old and known.read_at > 0):
            self._read()
            return known
        if may_be_old and self.is_local and self._is_open:
            # The database was away from the start.
            self._read()
            return attrs.evolve(known, is_closed=False)
        return self._read_again()

    def _read_again(self) -> _Known:
        try:
            return result_of(self._read())
        except (Unavailable, Conflict) as error:
            # One of its own for each that waits.
            raise StorageUnavailable(str(error)) from error

    def _read(self) -> Future[_Known]:
        """Read the tokens, by a reading that has not begun yet: it finds all that is there now."""
        with self._lock:
            if self._reading is None:
                self._reading = self._reader.submit(self._load)
            return self._reading

    def _load(self) -> _Known:
        sleep(max(0.0, self._known.read_at + READ_EVERY - monotonic()))
        with self._lock:
            self._reading = None
        read_at, now = monotonic(), self._clock.now()
        tokens = self._tokens.directory.all()
        valid = [token for token in tokens if token.is_valid(now)]
        self.uses.learn(valid, now.date())
        self._known = _Known(
            tokens={token.digest: token.principal() for token in valid},
            is_closed=any(not token.of_demo for token in tokens),
            read_at=read_at,
        )
        return self._known
