"""The HTTP API."""

from .app import close, create_app
from .services import ApiServices, Limits

__all__ = ["ApiServices", "Limits", "close", "create_app"]
