"""Every error as `application/problem+json` (RFC 9457), by one table."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import attrs
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ...adapters.system.log import Log
from ...domain.access import InsufficientScope, Unauthenticated
from ...domain.errors import (
    BrokerUnavailable,
    CancelRefused,
    CommitOutcomeUnknown,
    Conflict,
    HoldExpired,
    IdempotencyKeyReused,
    IdentityProviderUnavailable,
    IllegalTransition,
    InsufficientStock,
    InvalidSnapshot,
    NotQuarantined,
    OrderAggregatorError,
    OutdatedReport,
    QuarantinedReport,
    ReturnRefused,
    StockChanged,
    StorageUnavailable,
    TooManyOpenOrders,
    Unavailable,
    UnknownVendor,
    VendorInUse,
    VendorUnavailable,
)
from .order_batcher import Overloaded
from .rate_limit import RateLimited
from .responses import json_response
from .strict_json import MalformedJson

log = Log()

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:order-aggregator:problem:"
# Not all are to come back at once.
RETRY_AFTER_SECONDS = (1, 2, 3)
MAX_ERRORS = 100


class InvalidRequest(OrderAggregatorError):
    """Fields of a request break their rules: `errors` has what is expected of each."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(f"{field}: {', '.join(e)}" for field, e in errors.items()))
        self.errors = errors


class SyncInterrupted(Unavailable):
    """The storage went away while a vendor's report was being taken in."""


class UnknownProductFields(InvalidRequest):
    """Fields of a request name products that are not sold here."""


@attrs.frozen(kw_only=True)
class Problem:
    """A kind of problem, as RFC 9457 has it. `slug` is the stable part of its type."""

    status: int
    slug: str
    title: str
    # Said instead of the error's own words, where those are for the log alone.
    detail: str | None = None

    @property
    def type(self) -> str:
        """The URI by which programs know the kind."""
        return TYPE_PREFIX + self.slug

    def document(self, detail: str, extensions: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the response says."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail or detail,
            **(extensions or {}),
        }

    def response(
        self, detail: str, extensions: Mapping[str, Any] | None = None, **headers: str
    ) -> Response:
        """The response to send; `headers` with underscores for dashes."""
        document = self.document(detail, extensions)
        response = json_response(document, self.status, CONTENT_TYPE)
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = str(random.choice(RETRY_AFTER_SECONDS))  # noqa: S311
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response


# Found by the error's class, else by the next of its bases.
PROBLEMS: dict[type[Exception], Problem] = {
    Unauthenticated: Problem(status=401, slug="unauthenticated", title="Not authenticated"),
    InsufficientScope: Problem(status=403, slug="insufficient-scope", title="Scope missing"),
    IdentityProviderUnavailable: Problem(
        status=503, slug="identity-provider-unavailable", title="Identity provider unavailable"
    ),
    RateLimited: Problem(status=429, slug="too-many-requests", title="Too many requests"),
    MalformedJson: Problem(status=400, slug="malformed-json", title="Malformed JSON"),
    InvalidRequest: Problem(status=422, slug="validation-error", title="Invalid request"),
    UnknownProductFields: Problem(status=422, slug="unknown-product", title="Unknown product"),
    IdempotencyKeyReused: Problem(
        status=422, slug="idempotency-key-reused", title="Idempotency key reused"
    ),
    InsufficientStock: Problem(status=409, slug="insufficient-stock", title="Insufficient stock"),
    TooManyOpenOrders: Problem(
        status=409, slug="too-many-open-orders", title="Too many open orders"
    ),
    UnknownVendor: Problem(status=404, slug="unknown-vendor", title="Unknown vendor"),
    VendorUnavailable: Problem(status=502, slug="vendor-unavailable", title="Vendor unavailable"),
    InvalidSnapshot: Problem(status=502, slug="invalid-snapshot", title="Vendor feed unreadable"),
    QuarantinedReport: Problem(
        status=409, slug="quarantined-report", title="Report waits for approval"
    ),
    NotQuarantined: Problem(status=409, slug="not-quarantined", title="Nothing to approve"),
    VendorInUse: Problem(status=409, slug="vendor-in-use", title="Vendor still in use"),
    StockChanged: Problem(status=409, slug="stock-changed", title="Stock has changed"),
    IllegalTransition: Problem(status=409, slug="no-such-step", title="Not possible any more"),
    CancelRefused: Problem(status=409, slug="not-cancellable", title="Too much to cancel"),
    HoldExpired: Problem(status=409, slug="hold-expired", title="Hold is over"),
    ReturnRefused: Problem(status=409, slug="return-refused", title="Too much to return"),
    OutdatedReport: Problem(status=409, slug="outdated-report", title="Outdated report"),
    SyncInterrupted: Problem(
        status=503,
        slug="sync-interrupted",
        title="Sync interrupted",
        detail="the storage does not answer; repeat the sync to finish it",
    ),
    Overloaded: Problem(status=503, slug="overloaded", title="Overloaded"),
    Conflict: Problem(
        status=503,
        slug="contention",
        title="Too much contention",
        detail="other transactions kept getting in the way; nothing was stored",
    ),
    CommitOutcomeUnknown: Problem(
        status=503,
        slug="outcome-unknown",
        title="Outcome unknown",
        detail="it is unknown whether the order was accepted: repeat the request with the same "
        "Idempotency-Key to learn it",
    ),
    StorageUnavailable: Problem(
        status=503,
        slug="storage-unavailable",
        title="Storage unavailable",
        detail="the storage does not answer; nothing was stored",
    ),
    BrokerUnavailable: Problem(status=503, slug="broker-unavailable", title="Broker unavailable"),
    Unavailable: Problem(status=503, slug="unavailable", title="Unavailable"),
}
INTERNAL_ERROR = Problem(status=500, slug="internal-error", title="Internal error")
UNEXPECTED = "an unexpected error; the log has more"
HTTP_SLUGS = {404: "not-found", 413: "content-too-large"}


def register(app: Flask) -> None:
    """Make every error of the application a problem."""
    app.register_error_handler(HTTPException, from_http)
    app.register_error_handler(OrderAggregatorError, from_domain)
    app.register_error_handler(Exception, from_unexpected)


def from_domain(error: OrderAggregatorError) -> Response:
    """An error that is raised on purpose; one without an entry in the table is unexpected."""
    problem = _kind_of(error)
    if problem is None:
        return from_unexpected(error)
    return problem.response(_shortened(str(error)), _extensions(error), **_headers(error))


def from_unexpected(error: Exception) -> Response:
    """A fault of ours: the log has the traceback, the answer says nothing."""
    log.error("api.unexpected_error", path=request.path, method=request.method, exc_info=error)
    return INTERNAL_ERROR.response(UNEXPECTED)


def from_http(error: HTTPException) -> Response | HTTPException:
    """An error of the router or of the reading of a request."""
    if isinstance(error, RequestRedirect) or error.code is None:
        return error
    response = _http_problem(error.code).response(_http_detail(error))
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers[name] = value
    return response


def example(error: Exception) -> tuple[Problem, dict[str, Any]]:
    """The kind of an error, and what the response to it says."""
    if isinstance(error, HTTPException) and error.code is not None:
        problem = _http_problem(error.code)
        return problem, problem.document(_http_detail(error))
    if isinstance(error, OrderAggregatorError) and (kind := _kind_of(error)):
        return kind, kind.document(_shortened(str(error)), _extensions(error))
    return INTERNAL_ERROR, INTERNAL_ERROR.document(UNEXPECTED)


def _kind_of(error: OrderAggregatorError) -> Problem | None:
    found = (PROBLEMS.get(kind) for kind in type(error).__mro__)
    return next(filter(None, found), None)


def _http_problem(code: int) -> Problem:
    status = HTTPStatus(code)
    slug = HTTP_SLUGS.get(status, status.phrase.lower().replace(" ", "-"))
    return Problem(status=status, slug=slug, title=status.phrase)


def _http_detail(error: HTTPException) -> str:
    return (error.description or error.name).rstrip(".")


def _extensions(error: OrderAggregatorError) -> dict[str, Any]:
    match error:
        case InvalidRequest():
            first = list(error.errors.items())[:MAX_ERRORS]
            return {"errors": {field: list(messages) for field, messages in first}}
        case InsufficientStock():
            return {
                "shortages": [
                    {
                        "product_id": shortage.product_id,
                        "requested": shortage.requested,
                        "available": shortage.available,
                    }
                    for shortage in error.shortages
                ]
            }
        case StockChanged():
            return {"conflicts": [attrs.asdict(conflict) for conflict in error.conflicts]}
        case IdempotencyKeyReused():
            whose = "order" if error.order_id else "request"
            return {"errors": {"Idempotency-Key": [f"belongs to an earlier {whose}"]}}
        case _:
            return {}


def _headers(error: OrderAggregatorError) -> dict[str, str]:
    match error:
        case RateLimited():
            return {"Retry_After": str(error.retry_after)}
        # As RFC 6750, 3 has them.
        case Unauthenticated():
            return {"WWW_Authenticate": 'Bearer error="invalid_token"' if error.given else "Bearer"}
        case InsufficientScope():
            return {"WWW_Authenticate": 'Bearer error="insufficient_scope"'}
        case _:
            return {}


def _shortened(text: str, limit: int = 1000) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
