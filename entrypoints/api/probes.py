"""Whether the service lives and is ready, and its figures."""

from __future__ import annotations

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from ...domain.access import STOCK_READ
from . import metrics
from .access import guarded
from .problems import Problem
from .readiness import OK
from .services import app_state

NOT_READY = Problem(status=503, slug="not-ready", title="Not ready")

# Without it no order can be accepted.
REQUIRED = "database"

blueprint = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether the process answers at all."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether orders can be accepted (503 if not), and what else is wrong: then it is degraded.

    Without the broker they are: they wait in the outbox.
    """
    checks = app_state().readiness()
    if checks[REQUIRED] != OK:
        return NOT_READY.response(f"{REQUIRED} {checks[REQUIRED]}", {"checks": checks})
    all_reached = all(state == OK for state in checks.values())
    return {"status": "ready" if all_reached else "degraded", "checks": checks}


@blueprint.get("/metrics")
@guarded(STOCK_READ, counted=False, may_be_old=True)
def get_metrics() -> Response:
    """Every figure, for Prometheus; of what is stored, what can be had in time."""
    body = metrics.exposition(app_state().stored_metrics)
    return Response(body, content_type=metrics.CONTENT_TYPE)
