"""Where API tokens are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from ..access import AccessToken


class AccessTokens(Protocol):
    """Tokens, inside a transaction. Unknown ids are passed over."""

    def add(self, token: AccessToken) -> None:
        """Add a token with a new id and a new digest."""

    def revoke(self, token_id: str, at: datetime) -> bool:
        """Make it invalid for good, if it is not yet; False if it is unknown."""

    def note_uses(self, requests: Mapping[str, int], at: datetime) -> dict[str, int]:
        """Note, by id, that they were used at that moment, and add to the requests of its day.

        By id, how many of that day (UTC) there are now. One that a later day has begun for is
        passed over.
        """

    def remove_of_demo(self) -> None:
        """Delete those that the demo made for itself."""


class TokenDirectory(Protocol):
    """What is committed about tokens. Thread-safe; StorageUnavailable, Conflict."""

    def all(self) -> list[AccessToken]:
        """All of them, oldest first, those that are revoked or expired included."""
