"""A port of its own for the metrics and the health of a process that serves nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from prometheus_client import REGISTRY, make_wsgi_app
from werkzeug import Request, Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from ...adapters.system.log import Log
from ..runtime.listening import listen
from ..runtime.liveness import SILENT_AFTER, liveness
from .process import BuildInfo

log = Log()


@contextmanager
def serving_metrics(host: str, port: int) -> Iterator[None]:
    """Serve `/metrics` and `/healthz` there meanwhile; nothing if the port is 0.

    Raises InvalidSetting where nobody can listen.
    """
    if port == 0:
        yield
        return
    listener = listen(host, port, "METRICS_HOST", "METRICS_PORT")
    build_info = BuildInfo()
    REGISTRY.register(build_info)
    app = DispatcherMiddleware(_other, {"/metrics": make_wsgi_app()})
    # It goes on with a copy of the descriptor.
    with listener:
        server = make_server(
            host, port, app, threaded=True, request_handler=_Handler, fd=listener.fileno()
        )
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    log.info("metrics.served", host=host, port=port)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        REGISTRY.unregister(build_info)


@Request.application
def _other(request: Request) -> Response:
    if request.path != "/healthz":
        return Response("there are /metrics and /healthz\n", 404)
    silence = liveness.silence()
    if silence > SILENT_AFTER:
        return Response(f"a thread has not gone on for {silence:.0f} seconds\n", 503)
    return Response("ok\n")


class _Handler(WSGIRequestHandler):
    """Without a line of the log for each request."""

    # Seconds that a client may be silent.
    timeout = 10

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""
