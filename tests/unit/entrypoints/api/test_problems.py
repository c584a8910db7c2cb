"""Errors as problems."""

from __future__ import annotations

import pytest

from order_aggregator.domain.errors import (
    InsufficientStock,
    InvalidSnapshot,
    OrderAggregatorError,
    Shortage,
    StorageUnavailable,
)
from order_aggregator.entrypoints.api import problems
from order_aggregator.entrypoints.api.problems import PROBLEMS, InvalidRequest


def test_every_kind_has_a_type_of_its_own() -> None:
    types = [problem.type for problem in PROBLEMS.values()]
    assert len(set(types)) == len(types)
    assert all(kind.startswith("urn:order-aggregator:problem:") for kind in types)


def test_a_kind_without_an_entry_has_that_of_its_base() -> None:
    class Special(StorageUnavailable):
        """One of a kind."""

    problem, document = problems.example(Special("away"))
    assert problem == PROBLEMS[StorageUnavailable]
    assert document["status"] == 503


def test_what_was_never_meant_for_clients_is_not_shown() -> None:
    for error in (ValueError("secret"), OrderAggregatorError("secret")):
        problem, document = problems.example(error)
        assert problem.status == 500
        assert "secret" not in str(document)


def test_what_programs_need_stands_beside_the_words() -> None:
    shortage = Shortage(product_id="tea", requested=3, available=1)
    _, document = problems.example(InsufficientStock([shortage]))
    assert document["shortages"] == [{"product_id": "tea", "requested": 3, "available": 1}]
    _, document = problems.example(InvalidRequest({"a": ["is required"]}))
    assert document["errors"] == {"a": ["is required"]}


def test_no_message_is_without_bound() -> None:
    _, document = problems.example(InvalidSnapshot("acme", "x" * 100_000))
    assert len(document["detail"]) < 1100
    _, document = problems.example(InvalidRequest({str(n): ["wrong"] for n in range(1000)}))
    assert len(document["errors"]) == problems.MAX_ERRORS


@pytest.mark.parametrize(
    ("kind", "expected"), [(StorageUnavailable, True), (InvalidSnapshot, False)]
)
def test_only_what_may_pass_says_when_to_come_back(
    kind: type[OrderAggregatorError], *, expected: bool
) -> None:
    response = PROBLEMS[kind].response("…")
    assert ("Retry-After" in response.headers) == expected
    assert response.content_type == "application/problem+json"
