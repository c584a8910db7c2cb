"""The errors, their family and what they carry."""

from __future__ import annotations

import inspect
from uuid import UUID

import pytest

from order_aggregator.domain import errors
from order_aggregator.domain.errors import (
    CommitOutcomeUnknown,
    IdempotencyKeyReused,
    IllegalTransition,
    InsufficientStock,
    InvalidPlan,
    InvalidSnapshot,
    InvalidValue,
    OrderAggregatorError,
    OrderRefused,
    Shortage,
    StorageUnavailable,
    Unavailable,
    UnknownOrder,
    UnknownProducts,
    UnknownVendor,
    VendorShortage,
    VendorUnavailable,
)

SHORTAGE = Shortage(product_id="apple", requested=3, available=1)
ORDER_ID = UUID(int=1)


def test_every_error_can_be_caught_by_the_one_root() -> None:
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    exceptions = [each for each in classes if issubclass(each, BaseException)]
    assert len(exceptions) > 15
    assert all(issubclass(each, OrderAggregatorError) for each in exceptions)


def test_an_invalid_value_is_a_value_error_too() -> None:
    assert issubclass(InvalidValue, ValueError)


def test_an_unknown_commit_outcome_counts_as_storage_unavailable() -> None:
    assert issubclass(CommitOutcomeUnknown, StorageUnavailable)
    assert issubclass(StorageUnavailable, Unavailable)


def test_insufficient_stock_carries_every_short_line() -> None:
    other = Shortage(product_id="pear", requested=9, available=0)
    error = InsufficientStock([SHORTAGE, other])
    assert error.shortages == (SHORTAGE, other)
    assert isinstance(error, OrderRefused)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidValue("quantity", "must be a whole number"), ["quantity", "whole number"]),
        (InsufficientStock([SHORTAGE]), ["apple", "3 requested", "1 available"]),
        (UnknownProducts(["kiwi", "fig"]), ["kiwi", "fig"]),
        (IdempotencyKeyReused("key-1", ORDER_ID), ["key-1", str(ORDER_ID)]),
        (VendorShortage(SHORTAGE), ["apple", "3 requested", "1 available"]),
        (UnknownOrder(ORDER_ID), [str(ORDER_ID)]),
        (IllegalTransition(ORDER_ID, "failed", "be fulfilled"), [str(ORDER_ID), "failed"]),
        (InvalidSnapshot("acme", "no such column"), ["acme", "no such column"]),
        (VendorUnavailable("acme", "timed out"), ["acme", "timed out"]),
        (UnknownVendor("acme"), ["acme"]),
        (InvalidPlan("apple: -1 units"), ["apple"]),
    ],
)
def test_each_text_says_what_is_wrong_and_with_what(
    error: OrderAggregatorError, words: list[str]
) -> None:
    assert all(word in str(error) for word in words)
