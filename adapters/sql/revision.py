"""Which schema this version of the package works with, and whether a database has it."""

from __future__ import annotations

from sqlalchemy import Engine, column, select, table

from ...domain.errors import StorageUnavailable
from .errors import MIGRATE, read_errors_translated

# Of the newest migration; a test holds the two together. Asking Alembic would load all of it into
# processes that never migrate anything.
HEAD = "0013"
# Not Alembic's usual one: that is the host's, where there is one.
VERSION_TABLE = table("order_aggregator_version", column("version_num"))


def migrate(engine: Engine) -> None:
    """Create or upgrade the tables; several at once wait for each other. StorageUnavailable."""
    from .migrations import upgrade

    upgrade(engine)


def require_current_schema(engine: Engine) -> None:
    """Raise StorageUnavailable unless the database answers and has the schema of this version."""
    with read_errors_translated(), engine.connect() as connection:
        revision = connection.execute(select(VERSION_TABLE.c.version_num)).scalar()
    if revision != HEAD:
        raise StorageUnavailable(MIGRATE)
