"""OpenAPI and Swagger UI, both without the internet."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, send_from_directory
from flask_smorest import Api  # type: ignore[import-untyped]
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from ... import __version__
from . import problems, refusals
from .blueprint import BEARER
from .routing import PREFIX, IdConverter, VendorConverter
from .schemas import (
    TEXT_ID,
    InsufficientStockSchema,
    InvalidRequestSchema,
    ProblemSchema,
    StockChangedSchema,
)

ASSETS = PREFIX + "/swagger/assets/"
# Seen from where the document or the page lies, so that both may be mounted anywhere.
RELATIVE_ASSETS = "swagger/assets/"
RELATIVE_ROOT = "../.."

INTRODUCTION = """\
Sells stock that belongs to many vendors: orders are accepted, and their units reserved, at once;
vendors are chosen, and their stock is deducted, soon after. Timestamps are in UTC, quantities in
whole units.

Where the API is not open, each call needs a bearer token, of ours or a JWT, with one of the scopes
that its operation names in `x-scopes`; `operate` and `admin` imply others.

Every error is a problem as RFC 9457 has it, in `application/problem+json`. Programs tell them by
their `type`:

"""


def _problem_types() -> str:
    kinds = {
        problem.type: problem
        for refusal in vars(refusals).values()
        if isinstance(refusal, Exception)
        for problem, _ in [problems.example(refusal)]
    }
    rows = [
        f"| {problem.status} | `{problem.type}` | {problem.title} |"
        for problem in sorted(kinds.values(), key=lambda problem: (problem.status, problem.slug))
    ]
    return "\n".join(["| status | type | title |", "|---|---|---|", *rows])


CONFIG = {
    "API_TITLE": "Order Aggregator",
    "API_VERSION": __version__,
    # The latest that the bundled Swagger UI can show.
    "OPENAPI_VERSION": "3.0.3",
    "OPENAPI_URL_PREFIX": PREFIX,
    "OPENAPI_JSON_PATH": "openapi.json",
    "OPENAPI_SWAGGER_UI_PATH": "swagger",
    "OPENAPI_SWAGGER_UI_URL": RELATIVE_ASSETS,
    "API_SPEC_OPTIONS": {
        "servers": [{"url": RELATIVE_ROOT}],
        "info": {"description": INTRODUCTION + _problem_types()},
    },
    # Without this, Swagger UI shows a badge that a server on the internet draws.
    "OPENAPI_SWAGGER_UI_CONFIG": {"validatorUrl": None},
}

blueprint = Blueprint("swagger_assets", __name__)


class DocumentedApi(Api):  # type: ignore[misc]
    """flask-smorest, with our problems instead of its errors."""

    DEFAULT_ERROR_RESPONSE_NAME = None
    # Known as `Problem` in the document.
    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        problems.register(self._app)


@blueprint.get(ASSETS + "<path:name>")
def swagger_asset(name: str) -> Response:
    """A file of Swagger UI."""
    return send_from_directory(str(swagger_ui_path), name, max_age=86400)


def document(app: Flask) -> DocumentedApi:
    """Give the application its documentation; its API blueprints are to be registered with it."""
    app.config.update(CONFIG)
    api = DocumentedApi(app)
    for converter in (IdConverter, VendorConverter):
        api.register_converter(converter, lambda _converter: TEXT_ID)
    schemas = api.spec.components
    schemas.security_scheme(BEARER, {"type": "http", "scheme": "bearer"})
    schemas.schema("InvalidRequest", schema=InvalidRequestSchema)
    schemas.schema("InsufficientStock", schema=InsufficientStockSchema)
    schemas.schema("StockChanged", schema=StockChangedSchema)
    app.register_blueprint(blueprint)
    return api
