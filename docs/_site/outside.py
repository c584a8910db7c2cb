"""Checks links that lead out of the site; whether anybody is there is not asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)


def _is_well_formed(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and (parts.port or 1) > 0 and " " not in address
    except ValueError:
        return False


def _check(_app: Sphinx, page: nodes.document) -> None:
    for link in page.findall(nodes.reference):
        address = link.get("refuri", "")
        if address.startswith(("http:", "https:")) and not _is_well_formed(address):
            _log.warning("not an address: %s", address, location=link)


def setup(app: Sphinx) -> dict[str, Any]:
    """Look at each page once it is read."""
    app.connect("doctree-read", _check)
    return {"parallel_read_safe": True}
