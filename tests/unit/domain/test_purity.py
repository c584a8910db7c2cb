"""The core needs nothing but attrs and the standard library."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

from order_aggregator import domain

ALLOWED = {"attr", "attrs", "order_aggregator"} | set(sys.stdlib_module_names)

# Prints what the imports load beyond what the interpreter had loaded at its start.
SCRIPT = """
import sys
before = set(sys.modules)
for name in sys.argv[1:]:
    __import__(name)
print("\\n".join(sorted(set(sys.modules) - before)))
"""


def _modules() -> set[str]:
    found = pkgutil.walk_packages(domain.__path__, f"{domain.__name__}.")
    return {domain.__name__, *(module.name for module in found)}


def test_the_whole_core_loads_nothing_but_attrs_and_the_standard_library() -> None:
    modules = _modules()
    assert {f"{domain.__name__}.allocation", f"{domain.__name__}.ports.clock"} <= modules
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, *sorted(modules)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(answer.stdout.split())
    assert modules <= loaded
    assert {name.partition(".")[0] for name in loaded} <= ALLOWED
