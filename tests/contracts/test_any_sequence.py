"""The machines that do anything in any order, on a database."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.adapters.sql.schema import metadata
from order_aggregator.domain.ports.storage import Storage
from shop_machine import ShopMachine
from vendor_machine import VendorMachine

FEW = settings(
    max_examples=5,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("machine", [ShopMachine, VendorMachine])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_any_sequence_leaves_a_database_as_the_model_says(
    database: str,
    machine: type[ShopMachine | VendorMachine],
    request: pytest.FixtureRequest,
) -> None:
    engine: Engine = request.getfixturevalue(database)

    class OnDatabase(machine):  # type: ignore[valid-type,misc]
        def new_storage(self) -> Storage:
            with engine.begin() as connection:
                for table in reversed(metadata.sorted_tables):
                    connection.execute(table.delete())
            return SqlStorage(engine)

    run_state_machine_as_test(OnDatabase, settings=FEW)
