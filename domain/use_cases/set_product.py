"""Say what a product is called, and what is watched and allowed of it."""

from __future__ import annotations

from ..errors import UnknownProducts
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory
from ..stock import US, Product, ProductLimits


class SetProduct:
    """Names a product, and sets its limits. A name that is given here no feed changes any more."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, product_id: str, name: str | None, limits: ProductLimits) -> None:
        """`name` is None where it stays. Raises UnknownProducts, Unavailable or Conflict."""
        named = None if name is None else Product(id=product_id, name=name, named_by=US)
        with self._unit_of_work() as uow:
            uow.stock.lock([product_id])
            if not uow.stock.limit_product(product_id, limits, self._clock.now()):
                raise UnknownProducts([product_id])
            if named is not None:
                uow.stock.rename_products([named])
            uow.commit()
