"""Whether the service lives and is ready, and its figures."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from ...domain.errors import Unavailable
from . import metrics
from .problems import Problem
from .services import running

log = structlog.get_logger()

NOT_READY = Problem(status=503, slug="not-ready", title="Not ready")

blueprint = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether the process answers at all."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether everything that orders need can be reached."""
    checks = {}
    for name, check in running().services.readiness_checks.items():
        try:
            check()
        except Unavailable as error:
            checks[name] = "unavailable"
            log.warning("api.not_ready", check=name, error=str(error))
        else:
            checks[name] = "ok"
    away = [name for name, state in checks.items() if state != "ok"]
    if away:
        return NOT_READY.response(f"not available: {', '.join(away)}", {"checks": checks})
    return {"status": "ready", "checks": checks}


@blueprint.get("/metrics")
def get_metrics() -> Response:
    """Every figure, for Prometheus."""
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
