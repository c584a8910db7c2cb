"""Find the orders that may bring down the workers which try them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from ..ports.read_model import ReadModel

# One worker may die for any reason, and so come back all that it had.
UNRECORDED = 2


class FindSuspects:
    """Tells orders that failed from those that were delivered and never heard of again."""

    def __init__(self, read_model: ReadModel) -> None:
        self._read_model = read_model

    def __call__(self, attempts: Mapping[UUID, int]) -> set[UUID]:
        """Those that no worker lived to settle, UNRECORDED times in a row or more.

        `attempts` are the orders with the number of their delivery; 1 is the first. Where none has
        been delivered often enough, nothing is asked. Raises StorageUnavailable.
        """
        often = {order_id: n for order_id, n in attempts.items() if n > UNRECORDED}
        if not often:
            return set()
        recorded = self._read_model.failed_attempts(often)
        return {
            order_id
            for order_id, attempt in often.items()
            if attempt - 1 - recorded.get(order_id, 0) >= UNRECORDED
        }
