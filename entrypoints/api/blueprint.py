"""A flask-smorest blueprint whose operations carry their whole documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar, cast
from urllib.parse import parse_qsl

from flask import Request
from flask_smorest import Blueprint  # type: ignore[import-untyped]
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser

from ...domain.access import InsufficientScope
from ...domain.errors import IdempotencyKeyReused
from . import problems
from .access import guarded
from .idempotency import IDEMPOTENCY_KEY_HEADER, REPLAYED_HEADER
from .problems import InvalidRequest, Problem
from .rate_limit import POLICY_HEADER, REMAINING_HEADER
from .refusals import (
    CREDENTIALS,
    INVALID_QUERY,
    METHOD_NOT_ALLOWED,
    RATE_LIMITED,
    REQUEST_KEY_REUSED,
    UNEXPECTED,
)

# What stands in the rules of routes.
PATH_PARAMETERS = {
    "product_id": "The product, by the id that the vendors' feeds give it.",
    "vendor_id": "The vendor, by the id that the vendors file gives it.",
    "order_id": "The order, by the id that it was given when it was accepted.",
    "dead_letter_id": "The message, by the id that the listing gives it.",
    "webhook_id": "The webhook, by the id that it was given when it was added.",
}

# The security scheme of the document, and the extension that names an operation's scopes: those of
# bearer tokens have no place of their own in OpenAPI 3.0.
BEARER = "bearer"
SCOPES = "x-scopes"

View = TypeVar("View", bound=Callable[..., Any])


class QueryParser(FlaskParser):
    """Reads query strings strictly: nothing unknown, nothing twice."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {"query": RAISE}  # noqa: RUF012

    def load_querystring(self, req: Request, schema: Schema) -> dict[str, str]:  # noqa: ARG002
        """The parameters, in UTF-8, each of which may stand only once."""
        pairs = _pairs(req.query_string)
        errors = {
            _escape_undecodable(name)[:100]: ["must be UTF-8"]
            for name, value in pairs
            if _escape_undecodable(name + value) != name + value
        }
        times = Counter(name for name, _ in pairs)
        errors |= {
            _escape_undecodable(n)[:100]: ["must not be repeated"] for n in times if times[n] > 1
        }
        if errors:
            raise InvalidRequest(errors)
        return dict(pairs)

    def handle_error(self, error: ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Name the fields as everywhere else."""
        messages = cast(dict[str, dict[str, list[str]]], error.messages)
        raise InvalidRequest({name[:100]: m for name, m in messages["query"].items()}) from error


class ApiBlueprint(Blueprint):  # type: ignore[misc]
    """Routes with their documentation."""

    ARGUMENTS_PARSER = QueryParser()

    def operation(  # noqa: PLR0913 - what is said of it, by name
        self,
        method: str,
        rule: str,
        *,
        scope: str | tuple[str, ...],
        response: tuple[int, Schema | None],
        refusals: Sequence[Exception] = (),
        query: type[Schema] | None = None,
        headers: Mapping[str, Any] | None = None,
        prebuilt: bool = False,
        **documentation: Any,
    ) -> Callable[[View], View]:
        """Register a view. `refusals`: an example of each problem that it may answer.

        `scope`: who may call it; of several, one is enough.
        `prebuilt`: it always gives a finished response, so nothing has to be done to that. Whatever
        changes something does, and takes an idempotency key.
        """
        status, schema = response
        scopes = (scope,) if isinstance(scope, str) else scope
        refused = [*refusals, *CREDENTIALS, InsufficientScope(scopes)]
        refused += [RATE_LIMITED, METHOD_NOT_ALLOWED, UNEXPECTED]
        if method != "GET":
            prebuilt = True
            documentation["parameters"] = [
                IDEMPOTENCY_KEY_HEADER,
                *documentation.get("parameters", []),
            ]
            headers = {**(headers or {}), **REPLAYED_HEADER}
            if not any(isinstance(refusal, IdempotencyKeyReused) for refusal in refusals):
                refused.append(REQUEST_KEY_REUSED)
        if query is not None:
            refused.append(INVALID_QUERY)

        def decorate(view: View) -> View:
            decorated = self.response(status, schema, headers=headers)(view)
            if query is not None:
                decorated = self.arguments(query, location="query")(decorated)
            documented = self.doc(
                operationId=view.__name__,
                security=[{BEARER: []}],
                **{SCOPES: list(scopes)},
                responses=_problems(refused) | documentation.pop("responses", {}),
                **documentation,
            )(decorated)
            if prebuilt:
                view._apidoc = documented._apidoc  # type: ignore[attr-defined]  # noqa: SLF001
            route = self.route(rule, methods=[method], parameters=_path_parameters(rule))
            guard = guarded(*scopes, changes=method != "GET")
            registered: View = route(guard(view if prebuilt else documented))
            return registered

        return decorate


_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before another attempt.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}
_ALLOWANCE = {
    name: {"description": description, "required": True, "schema": {"type": "string"}}
    for name, description in {
        POLICY_HEADER: "How often the caller may ask, by its rate (`default`) and its quota of the "
        "day (`daily`), if it has one: `q` requests in `w` seconds.",
        REMAINING_HEADER: "Of each, how many are left (`r`), and in how many seconds all will be "
        "(`t`).",
    }.items()
}
_HEADERS: Mapping[int, Mapping[str, Any]] = {
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER | _ALLOWANCE,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}


def _path_parameters(rule: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": description}
        for name, description in PATH_PARAMETERS.items()
        if f":{name}>" in rule
    ]


def _pairs(query: bytes) -> list[tuple[str, str]]:
    """Names and values; bytes that are no UTF-8 become surrogates, which no UTF-8 becomes.

    Werkzeug instead leaves them as they were escaped, as if somebody had asked for `%FF`.
    """
    undecoded = "surrogateescape"
    return parse_qsl(query.decode(errors=undecoded), keep_blank_values=True, errors=undecoded)


def _escape_undecodable(text: str) -> str:
    """The text with such bytes spelt out."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _problems(refusals: Sequence[Exception]) -> dict[int, dict[str, Any]]:
    by_status: dict[int, list[tuple[Problem, dict[str, Any]]]] = {}
    for refusal in refusals:
        problem, document = problems.example(refusal)
        by_status.setdefault(problem.status, []).append((problem, document))
    return {status: _response(status, by_status[status]) for status in sorted(by_status)}


def _response(status: int, examples: Sequence[tuple[Problem, dict[str, Any]]]) -> dict[str, Any]:
    schemas = sorted({_schema(document) for _, document in examples})
    references = [{"$ref": f"#/components/schemas/{schema}"} for schema in schemas]
    response: dict[str, Any] = {
        "description": ", or ".join(problem.title for problem, _ in examples),
        "content": {
            problems.CONTENT_TYPE: {
                "schema": references[0] if len(references) == 1 else {"anyOf": references},
                "examples": {problem.slug: {"value": document} for problem, document in examples},
            }
        },
    }
    if headers := _HEADERS.get(status):
        response["headers"] = headers
    return response


def _schema(document: Mapping[str, Any]) -> str:
    if "shortages" in document:
        return "InsufficientStock"
    if "conflicts" in document:
        return "StockChanged"
    return "InvalidRequest" if "errors" in document else "Problem"
