"""Loaded by schemathesis: what its own checks cannot know of this API."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response


@schemathesis.check
def well_formed_order_is_refused_for_what_it_names(
    _context: CheckContext, response: Response, case: Case[Any]
) -> None:
    """A 422 for a well-formed order means its products or its key, never its form."""
    well_formed = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if response.status_code != 422 or not well_formed or case.method != "POST":
        return
    problem = response.json()
    if problem["type"].endswith((":unknown-product", ":idempotency-key-reused")):
        return
    # Lines of one product may come to more than one line may have.
    assert list(problem["errors"]) == ["quantity"], problem


@schemathesis.check
def errors_are_problems(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """RFC 9457, whatever the error."""
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"]
        assert response.json()["status"] == response.status_code
