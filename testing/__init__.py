"""What every adapter of a port promises, as tests for yours.

A test module imports the whole suite, and has the fixtures that it asks for:

    from order_aggregator.testing.message_bus import *
"""

from __future__ import annotations

import pkgutil

import pytest

# Their assertions are to say what they found, as those of test modules do.
pytest.register_assert_rewrite(*(f"{__name__}.{m.name}" for m in pkgutil.iter_modules(__path__)))
