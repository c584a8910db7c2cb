"""Statements in the driver's words."""

from __future__ import annotations

from enum import Enum, auto

import pytest
from sqlalchemy import Engine, Text, bindparam, select
from sqlalchemy import Enum as EnumType

from order_aggregator.adapters.sql.connection import Step, compile_for_driver


class Colour(Enum):
    RED = auto()


def test_a_parameter_that_sqlalchemy_would_convert_is_refused(postgresql: Engine) -> None:
    statement = select(bindparam("colour", type_=EnumType(Colour)))
    with pytest.raises(TypeError, match="colour has a type that the driver does not take"):
        compile_for_driver(
            Step(statement=statement, parameters={"colour": Colour.RED}), postgresql.dialect
        )


def test_others_are_passed_on_with_the_statements_own(postgresql: Engine) -> None:
    statement = select(bindparam("name", type_=Text)).limit(3)
    sql, parameters = compile_for_driver(
        Step(statement=statement, parameters={"name": "x"}), postgresql.dialect
    )
    assert "%(name)s" in sql
    assert parameters["name"] == "x"
    assert 3 in parameters.values()
