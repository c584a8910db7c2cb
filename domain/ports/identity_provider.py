"""Who vouches for callers that have no token of ours."""

from __future__ import annotations

from typing import Protocol

from ..access import Principal


class IdentityProvider(Protocol):
    """Thread-safe."""

    def verify(self, token: str) -> Principal:
        """Who calls with it. It may have to ask over the network, so it may take its time.

        Raises Unauthenticated, or IdentityProviderUnavailable where that cannot be said now.
        """
