"""Which schema this version of the package works with, and whether a database has it."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, column, select, table

from ...domain.errors import StorageUnavailable
from .errors import MIGRATE, read_errors_translated

# Of the newest migration; a test holds the two together. Asking Alembic would load all of it into
# processes that never migrate anything.
HEAD = "0017"
# Not Alembic's usual one: that is the host's, where there is one.
# `compatible_from`: the oldest revision whose code can go on with the tables as they are.
VERSION_TABLE = table("order_aggregator_version", column("version_num"), column("compatible_from"))


class SchemaTooNew(StorageUnavailable):
    """The tables are of a newer version, with which this one cannot work."""


def migrate(engine: Engine) -> None:
    """Create or upgrade the tables; several at once wait for each other. StorageUnavailable."""
    from .migrations import upgrade

    upgrade(engine)


def require_current_schema(engine: Engine) -> None:
    """Raise StorageUnavailable unless the database answers, with tables that this version knows.

    Those of a newer version are as good where its migrations say so.
    """
    with read_errors_translated(), engine.connect() as connection:
        require_compatible(connection)


def require_compatible(connection: Connection) -> None:
    """The same, for a connection that is there already."""
    row = connection.execute(select(VERSION_TABLE)).one_or_none()
    if row is None or row.version_num < HEAD:
        raise StorageUnavailable(MIGRATE)
    if row.version_num > HEAD and (row.compatible_from or row.version_num) > HEAD:
        raise SchemaTooNew(
            f"the database has the tables of a newer version ({row.version_num}, this one has"
            f" {HEAD}): upgrade this program"
        )
