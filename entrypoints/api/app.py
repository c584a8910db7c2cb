"""The HTTP API as a Flask application."""

from __future__ import annotations

import time

import structlog
from flask import Flask, Response, request
from flask.json.provider import DefaultJSONProvider

from . import documentation, metrics, orders, probes, routing, stock, sync
from .combiner import Combiner
from .reports import Report
from .services import EXTENSION, ApiServices, Running, running

log = structlog.get_logger()

STARTED = "order_aggregator.started"


class _Json(DefaultJSONProvider):
    """Members in the order that the documentation has them."""

    sort_keys = False


def create_app(services: ApiServices) -> Flask:
    """The application. It does no I/O and starts no thread before the first order."""
    app = Flask(__name__, static_folder=None)
    # One more than allowed: a body of undeclared length is cut off there, without a word.
    app.config["MAX_CONTENT_LENGTH"] = services.limits.max_body_bytes + 1
    app.json = _Json(app)
    app.url_map.converters["id"] = routing.IdConverter
    # An id may contain two slashes in a row.
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = Running(services=services, combiner=_combiner(services))
    api = documentation.document(app)
    for module in (stock, orders, sync):
        api.register_blueprint(module.blueprint)
    app.register_blueprint(routing.blueprint)
    app.register_blueprint(probes.blueprint)
    app.before_request(_start_watch)
    app.after_request(_observe)
    return app


def close(app: Flask) -> None:
    """Accept no more orders, and return when those that wait are done."""
    running(app).combiner.close()


def _combiner(services: ApiServices) -> Combiner:
    return Combiner(
        services.place_orders,
        Report(wake_relay=services.wake_relay),
        max_batch=services.limits.max_batch,
        max_waiting=services.limits.max_waiting,
        patience=services.limits.patience,
        concurrency=services.concurrency,
    )


def _start_watch() -> None:
    request.environ[STARTED] = time.perf_counter()


def _observe(response: Response) -> Response:
    method, rule, status = request.method, request.url_rule, response.status_code
    route = "unmatched" if rule is None else rule.rule
    seconds = time.perf_counter() - request.environ[STARTED]
    metrics.observe_request(method, route, status, seconds)
    log.debug("api.request", method=method, route=route, status=status)
    return response
