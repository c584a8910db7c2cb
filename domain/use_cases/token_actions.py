"""Make, list and revoke API tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from ..access import AccessToken, digest_of, parse_scopes
from ..errors import InvalidValue, UnknownToken
from ..ports.access_tokens import TokenDirectory
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory
from ..rate import Rate


class TokenActions:
    """What may be done about tokens. Each call raises StorageUnavailable or Conflict."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        directory: TokenDirectory,
        clock: Clock,
        new_id: Callable[[], str],
        new_token: Callable[[], str],
    ) -> None:
        self._unit_of_work = unit_of_work
        self.directory = directory
        self._clock = clock
        self._new_id = new_id
        self._new_token = new_token

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        lifetime: timedelta | None = None,
        *,
        rate_limit: Rate | None = None,
        daily_quota: int | None = None,
        of_demo: bool = False,
    ) -> tuple[AccessToken, str]:
        """A new token, and itself, which is told this once. Raises InvalidValue."""
        text, now = self._new_token(), self._clock.now()
        token = AccessToken(
            id=self._new_id(),
            name=name,
            digest=digest_of(text),
            scopes=parse_scopes(scopes),
            created_at=now,
            expires_at=None if lifetime is None else _end(now, lifetime),
            rate_limit=rate_limit,
            daily_quota=daily_quota,
            of_demo=of_demo,
        )
        with self._unit_of_work() as uow:
            if of_demo:
                uow.access_tokens.remove_of_demo()
            uow.access_tokens.add(token)
            uow.commit()
        return token, text

    def revoke(self, token_id: str) -> None:
        """Have it mean nothing any more. Doing it again changes nothing. Raises UnknownToken."""
        now = self._clock.now()
        with self._unit_of_work() as uow:
            if not uow.access_tokens.revoke(token_id, now):
                raise UnknownToken(token_id)
            uow.commit()

    def note_uses(self, requests: Mapping[str, int], at: datetime) -> dict[str, int]:
        """Add these requests to those of the day, by id; how many of that day there are now."""
        with self._unit_of_work() as uow:
            totals = uow.access_tokens.note_uses(requests, at)
            uow.commit()
        return totals

    def remove_of_demo(self) -> None:
        """Delete the demo's own token."""
        with self._unit_of_work() as uow:
            uow.access_tokens.remove_of_demo()
            uow.commit()


def _end(now: datetime, lifetime: timedelta) -> datetime:
    if lifetime <= timedelta():
        raise InvalidValue("expires", "must be longer than nothing")
    return now + lifetime
