"""The HTTP API as a Flask application."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from flask import Blueprint, Flask, Request, Response
from flask.json.provider import DefaultJSONProvider
from flask.sessions import NullSession, SessionInterface
from structlog.contextvars import bound_contextvars
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from ...adapters.system.log import Log
from ...domain.errors import InvalidValue
from ..runtime.tracing import Answered, request_span
from . import (
    audit,
    dead_letters,
    documentation,
    events,
    histories,
    holds,
    metrics,
    order_steps,
    orders,
    probes,
    products,
    routing,
    stock,
    sync,
    vendors,
    webhooks,
)
from .access import ALLOWANCES, CHANGE, record_change, tell_allowances
from .browsers import let_ask, protect
from .order_batcher import OrderBatcher
from .readiness import Readiness
from .reports import Report
from .request_ids import ENVIRON_KEY, HEADER, request_id
from .services import EXTENSION, ApiServices, AppState, app_state, current_request
from .stored_metrics import KEEP_VENDORS, MAX_VENDORS, Source, StoredMetrics

# Seconds that a look at everything is good for, however many people look.
KEEP_HEALTH = 2.0

View = TypeVar("View", bound=Callable[..., Any])
log = Log()


class _NoSessions(SessionInterface):
    _none = NullSession()

    def open_session(self, _app: Flask, _request: Request) -> NullSession:
        return self._none


class _Application(Flask):
    """Flask, without what this API has no use for, and with every request counted."""

    session_interface = _NoSessions()

    def ensure_sync(self, func: View) -> View:
        """Views are plain functions."""
        return func

    def full_dispatch_request(self) -> Response:
        """Answer the current request."""
        started = time.perf_counter()
        request = current_request()
        its_id = request_id(request.headers.get(HEADER))
        request.environ[ENVIRON_KEY] = its_id
        span = request_span(request.method, request.headers)
        with bound_contextvars(request_id=its_id):
            response = self._answer() if span is None else self._answer_traced(span)
            if CHANGE in request.environ:
                record_change(request, response.status_code)
        response.headers[HEADER] = its_id
        if ALLOWANCES in request.environ:
            tell_allowances(request, response)
        protect(response)
        route, status = _route(), response.status_code
        metrics.observe_request(request.method, route, status, time.perf_counter() - started)
        log.debug(
            "api.request", method=request.method, route=route, status=status, request_id=its_id
        )
        return response

    def _answer(self) -> Response:
        return super().full_dispatch_request()

    def _answer_traced(self, span: AbstractContextManager[Answered]) -> Response:
        with span as answered:
            response = self._answer()
            answered(_route(), response.status_code)
        return response


def _route() -> str:
    """The rule, not the path, so that their number is bounded."""
    rule = current_request().url_rule
    return "unmatched" if rule is None else rule.rule


class _Json(DefaultJSONProvider):
    """Members in the order that the documentation has them."""

    sort_keys = False


_MODULES = (
    stock,
    orders,
    order_steps,
    holds,
    events,
    histories,
    products,
    sync,
    vendors,
    webhooks,
    dead_letters,
    audit,
)


def create_app(services: ApiServices, *pages: Blueprint) -> Flask:
    """The application, and pages beside it.

    It does no I/O and starts no thread before the first order.
    """
    app = _Application(__name__, static_folder=None)
    # One more than allowed: a body of undeclared length is cut off there, without a word.
    app.config["MAX_CONTENT_LENGTH"] = services.limits.max_body_bytes + 1
    app.json = _Json(app)
    app.url_map.converters["id"] = routing.IdConverter
    app.url_map.converters["product"] = routing.ProductConverter
    app.url_map.converters["vendor"] = routing.VendorConverter
    # An id may contain two slashes in a row.
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = AppState(
        services=services,
        batcher=_batcher(services),
        readiness=Readiness(services.readiness_checks),
        stored_metrics=_stored_metrics(services),
        health=Source("health", services.check_health, keep=KEEP_HEALTH),
    )
    api = documentation.document(app)
    for module in _MODULES:
        api.register_blueprint(module.blueprint)
    app.register_blueprint(routing.blueprint)
    app.register_blueprint(probes.blueprint)
    for blueprint in pages:
        app.register_blueprint(blueprint)
    if services.cors_origins:
        let_ask(app, services.cors_origins)
    if trusted := services.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, trusted, trusted, trusted, trusted, trusted
        )
    return app


def mount(app: Flask, host: Flask, path: str) -> None:
    """Serve the application below a path of another one, such as `/orders`.

    The host's own routes below that path are not reached any more.
    """
    if not path.startswith("/") or path.endswith("/"):
        raise InvalidValue("path", "must begin with a slash, and not end with one")
    host.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        host.wsgi_app, {path: app.wsgi_app}
    )


def close(app: Flask) -> None:
    """Accept no more orders, and return when those that wait are done."""
    state = app_state(app)
    state.batcher.close()
    state.services.gate.close()


def _stored_metrics(services: ApiServices) -> StoredMetrics:
    read = services.read_model
    return StoredMetrics(
        workload=Source("database", read.workload),
        vendors=Source("vendors", lambda: read.vendors(0, MAX_VENDORS).items, keep=KEEP_VENDORS),
        queue=Source("broker", services.queue_depth),
    )


def _batcher(services: ApiServices) -> OrderBatcher:
    return OrderBatcher(
        services.place_orders,
        Report(wake_relay=services.wake_relay),
        max_batch=services.limits.max_batch,
        max_waiting=services.limits.max_waiting,
        timeout=services.limits.timeout,
        scheduler=services.scheduler,
    )
