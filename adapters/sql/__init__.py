"""SQLite and PostgreSQL, by way of SQLAlchemy Core."""

from .engine import create_engine
from .message_bus import SqlMessageBus
from .revision import migrate
from .storage import SqlStorage

__all__ = ["SqlMessageBus", "SqlStorage", "create_engine", "migrate"]
