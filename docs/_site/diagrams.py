"""Draws mermaid diagrams while the site is built, so that it needs no script and no internet."""

from __future__ import annotations

from typing import Any

import mmdr
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Mermaid(SphinxDirective):
    """A diagram, as an SVG image in the page."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Draw it; what cannot be drawn is an error of the build."""
        try:
            drawn = mmdr.render("\n".join(self.content)).svg()
        except (RuntimeError, ValueError) as error:
            raise self.error(f"no diagram: {error}") from error
        return [nodes.raw("", f'<div class="diagram">{drawn}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True}
