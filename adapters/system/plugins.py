"""Parts that installed packages bring along, found by their entry points, or by their place."""

from __future__ import annotations

from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Any

POLICY_PLUGINS = "order_aggregator.policies"
VENDOR_PLUGINS = "order_aggregator.vendors"
STORAGE_PLUGINS = "order_aggregator.storage"
BUS_PLUGINS = "order_aggregator.buses"


def plugin(group: str, name: str) -> Any | None:
    """What a package has registered under this name, or None. ValueError if it cannot be loaded."""
    for entry_point in entry_points(group=group, name=name):
        try:
            return entry_point.load()
        except (ImportError, AttributeError) as error:
            raise ValueError(f"cannot load the plug-in {name}: {error}") from error
    return None


def is_plugin(group: str, name: str) -> bool:
    """Whether a package has registered something under this name."""
    return bool(entry_points(group=group, name=name))


def scheme_of(url: str) -> str:
    """The scheme of a URL (RFC 3986, 3.1)."""
    return url.partition("://")[0]


def load_object(place: str) -> Any:
    """What is called so at `package.module:name`. Raises ValueError."""
    try:
        return resolve_name(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"cannot load {place}: {error}") from error
