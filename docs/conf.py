"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_site"))

project = "Order Aggregator"
author = "The Order Aggregator authors"
version = release = version_of("order-aggregator")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_click",
    # Ours, in `_site`.
    "diagrams",
    "generated",
    "outside",
]
exclude_patterns = ["_site"]

# Headings may be linked as on GitHub, and its diagrams are drawn.
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

# Docstrings put code in single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

# Examples in JSON leave out what does not matter, with `…`.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"Order Aggregator {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
