"""The API as a plain WSGI application, so that it can be measured under other servers.

    gunicorn --chdir benchmarks --workers 2 --worker-class gthread --threads 64 wsgi:application

Orders then wait as threads, or as what the server has made of those.
"""

from __future__ import annotations

import atexit
from contextlib import ExitStack

from order_aggregator.adapters.system.settings import read_settings
from order_aggregator.bootstrap import bootstrap
from order_aggregator.entrypoints.runtime.logs import configure_logs

_settings = read_settings()
configure_logs(_settings.log_level)
_end = ExitStack()
application = _end.enter_context(bootstrap(_settings).api())
atexit.register(_end.close)
