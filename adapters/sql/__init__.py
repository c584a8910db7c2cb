"""SQLite and PostgreSQL, by way of SQLAlchemy Core."""

from .engine import create_engine
from .message_bus import SqlMessageBus
from .migrations import migrate, schema_is_current
from .storage import SqlStorage

__all__ = ["SqlMessageBus", "SqlStorage", "create_engine", "migrate", "schema_is_current"]
