"""Say what a product is called, and what is watched and allowed of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ..errors import UnknownProducts
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import US, Product, ProductLimits
from .idempotency import Answer, RequestKey, once_in_transaction


def _no_answer(_now: datetime) -> str:
    return ""


class SetProduct:
    """Names a product, and sets its limits. A name that is given here no feed changes any more."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self,
        product_id: str,
        name: str | None,
        limits: ProductLimits,
        answer: Callable[[datetime], str] = _no_answer,
        request: RequestKey | None = None,
    ) -> Answer:
        """`name` is None where it stays; `answer` is told when. Once for a request with a key.

        Raises UnknownProducts, IdempotencyKeyReused, Unavailable, or Conflict when others keep
        getting in the way.
        """
        named = None if name is None else Product(id=product_id, name=name, named_by=US)

        def put(uow: UnitOfWork, now: datetime) -> str:
            uow.stock.lock([product_id])
            if not uow.stock.limit_product(product_id, limits, now):
                raise UnknownProducts([product_id])
            if named is not None:
                uow.stock.rename_products([named])
            return answer(now)

        return once_in_transaction(self._unit_of_work, self._clock, request, put)
