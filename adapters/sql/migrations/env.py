"""What Alembic runs: the migrations, in the transaction that the caller has begun."""

from alembic import context

from order_aggregator.adapters.sql.revision import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE.name
)
context.run_migrations()
