"""Puts what comes from the code into pages, where they say `<!-- generated: name -->`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import http_api
import public_names
import settings_table

_PLACE = re.compile(r"<!-- generated: (\w+) -->")
# What lies outside of `docs` and is a page of the site all the same.
_PAGES = {"../benchmarks/RESULTS.md": "figures.md", "../CHANGELOG.md": "changelog.md"}
_WRITERS: dict[str, Callable[[], str]] = {
    "http_api": http_api.markdown,
    "public_names": public_names.markdown,
    "settings": settings_table.markdown,
}


def _contents(index: str) -> str:
    """The site's menu: the pages that each section of the index links to."""
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {section}\n\n"
        + "\n".join(re.findall(r"\]\((\S+)\.md\)", text))
        + "\n```\n"
        for section, text in re.findall(r"^## (.+)\n([^#]*)", index, re.MULTILINE)
    )


def _fill(_app: Sphinx, page: str, source: list[str]) -> None:
    for outside, inside in _PAGES.items():
        source[0] = source[0].replace(f"]({outside})", f"]({inside})")
    if page == "index":
        source[0] += _contents(source[0])
    source[0] = _PLACE.sub(lambda place: _WRITERS[place[1]](), source[0])


def _give_openapi(app: Sphinx, _error: Exception | None) -> None:
    if app.builder.format == "html":
        target = Path(app.outdir, "openapi.json")
        target.write_text(json.dumps(http_api.document(), indent=2) + "\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Fill pages as they are read; lay the OpenAPI document beside them."""
    app.connect("source-read", _fill)
    app.connect("build-finished", _give_openapi)
    return {"parallel_read_safe": True}
