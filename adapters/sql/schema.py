"""The tables. Alembic's migrations create them; a test holds the two together."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    false,
    literal_column,
    true,
)

from ...domain.order import OrderStatus
from ...domain.values import timestamp_text


class MomentText(TypeDecorator[datetime]):
    """A moment where the database has no type for it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> str | None:
        """To text."""
        return None if value is None else timestamp_text(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> datetime | None:
        """From text."""
        return None if value is None else datetime.fromisoformat(value)


# Compared byte by byte, so that both databases sort ids as Python does.
TEXT_ID = Text(collation="C").with_variant(Text(), "sqlite")
TIMESTAMP = DateTime(timezone=True).with_variant(MomentText(), "sqlite")
# SQLite numbers rows by itself only where the type is INTEGER.
ROW_ID = BigInteger().with_variant(Integer(), "sqlite")

RESERVED = OrderStatus.RESERVED.value
FULFILLED = OrderStatus.FULFILLED.value
HELD = OrderStatus.HELD.value
BACKORDERED = OrderStatus.BACKORDERED.value

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s",
    }
)

products = Table(
    "products",
    metadata,
    Column("id", TEXT_ID, primary_key=True),
    Column("name", Text, nullable=False),
    # The vendor whose feed gave the name.
    Column("named_by", Text),
    sqlite_with_rowid=False,
)

vendors = Table(
    "vendors",
    metadata,
    Column("id", TEXT_ID, primary_key=True),
    Column("name", Text, nullable=False),
    # Of the newest report; the year 1 where there was none.
    Column("as_of", TIMESTAMP, nullable=False),
    Column("retired", Boolean, nullable=False, server_default=false()),
    # When it will have been silent for too long; null: never.
    Column("silent_at", TIMESTAMP),
    Column("stale", Boolean, nullable=False, server_default=false()),
    # When its last report was taken in.
    Column("heard_at", TIMESTAMP),
    # Since when its reports cut too much; and whether the next is to be believed.
    Column("quarantined_at", TIMESTAMP),
    Column("approved", Boolean, nullable=False, server_default=false()),
    # How its feed is read, as a vendors file says it; null: nothing declares it.
    Column("entry", Text),
    # Where the paths in it begin.
    Column("folder", Text),
    Column("from_file", Boolean, nullable=False, server_default=false()),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    # When syncing was last tried, why it failed, and how often in a row; and how many reports were
    # refused as outdated, ever.
    Column("attempted_at", TIMESTAMP),
    Column("problem", Text),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("outdated", Integer, nullable=False, server_default="0"),
    Column("next_sync_at", TIMESTAMP),
    CheckConstraint("(problem IS NULL) = (failures = 0)", name="failures_have_a_problem"),
    sqlite_with_rowid=False,
)

# Of each vendor's last report.
rejections = Table(
    "rejections",
    metadata,
    Column("vendor_id", TEXT_ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("place", Text, nullable=False),
    Column("product_id", TEXT_ID),
    Column("field", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("vendor_id", "position"),
    sqlite_with_rowid=False,
)

# A trigger also refuses an update by which a reservation grows beyond what is on hand and not
# stale. Others may
# leave `reserved` above `on_hand`, because a vendor's report may fall below what was sold.
central_stock = Table(
    "central_stock",
    metadata,
    Column("product_id", TEXT_ID, ForeignKey(products.c.id), primary_key=True),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    # Those on hand of vendors that are silent.
    Column("stale", BigInteger, nullable=False, server_default="0"),
    # Those that orders wait for: the sum of `backorders`.
    Column("backordered", BigInteger, nullable=False, server_default="0"),
    # At how few available somebody is told; how many may be waited for, unless as usual.
    Column("low_at", BigInteger),
    Column("backorder_limit", BigInteger),
    # Not later than the first of its holds expires; null: it has none.
    Column("holds_expire_at", TIMESTAMP),
    CheckConstraint("stale >= 0 AND stale <= on_hand", name="stale_is_on_hand"),
    CheckConstraint("backordered >= 0", name="backordered_not_negative"),
    CheckConstraint("low_at >= 0", name="low_at_not_negative"),
    CheckConstraint("backorder_limit >= 0", name="backorder_limit_not_negative"),
    CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
    CheckConstraint("reserved >= 0", name="reserved_not_negative"),
    # Room on each page for the next version of its rows: their updates then touch no index.
    postgresql_with={"fillfactor": "50"},
    sqlite_with_rowid=False,
)

# Few products have any of these, so what looks for those that do finds them at once.
Index(
    "central_stock_backordered",
    central_stock.c.product_id,
    postgresql_where=central_stock.c.backordered > literal_column("0"),
    sqlite_where=central_stock.c.backordered > literal_column("0"),
)
Index(
    "central_stock_holds_expire_at",
    central_stock.c.holds_expire_at,
    postgresql_where=central_stock.c.holds_expire_at.is_not(None),
    sqlite_where=central_stock.c.holds_expire_at.is_not(None),
)

vendor_stock = Table(
    "vendor_stock",
    metadata,
    Column("product_id", TEXT_ID, ForeignKey(central_stock.c.product_id), nullable=False),
    Column("vendor_id", TEXT_ID, ForeignKey(vendors.c.id), nullable=False),
    Column("available", BigInteger, nullable=False),
    Column("reported", BigInteger, nullable=False),
    # Ever; and how much of that the last report had counted.
    Column("allocated", BigInteger, nullable=False),
    Column("counted", BigInteger, nullable=False),
    Column("stale", Boolean, nullable=False, server_default=false()),
    # What the vendor says the row is of; null where it says nothing.
    Column("stated_at", TIMESTAMP),
    # When the vendor expects more, perhaps past by now; null where it does not say.
    Column("expected_at", TIMESTAMP),
    # In this order for the products of one vendor; the vendors of one product have the index below.
    PrimaryKeyConstraint("vendor_id", "product_id"),
    CheckConstraint("available >= 0", name="available_not_negative"),
    CheckConstraint("reported >= 0", name="reported_not_negative"),
    CheckConstraint("counted >= 0 AND counted <= allocated", name="counted_was_allocated"),
    # A row's next version finds room beside the last: one page to write instead of two.
    postgresql_with={"fillfactor": "50"},
    sqlite_with_rowid=False,
)
# For the vendors of one product, and the highest of many.
Index(
    "vendor_stock_by_available",
    vendor_stock.c.product_id,
    vendor_stock.c.stale,
    vendor_stock.c.available.desc(),
    vendor_stock.c.vendor_id,
)

# When a total of allocated units was first seen committed; only while no report has counted it.
allocation_marks = Table(
    "allocation_marks",
    metadata,
    Column("vendor_id", TEXT_ID, nullable=False),
    Column("product_id", TEXT_ID, nullable=False),
    Column("allocated", BigInteger, nullable=False),
    Column("marked_at", TIMESTAMP, nullable=False),
    PrimaryKeyConstraint("vendor_id", "product_id", "allocated"),
    ForeignKeyConstraint(
        ["product_id", "vendor_id"], [vendor_stock.c.product_id, vendor_stock.c.vendor_id]
    ),
    sqlite_with_rowid=False,
)

stock_adjustments = Table(
    "stock_adjustments",
    metadata,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("vendor_id", TEXT_ID, nullable=False),
    Column("product_id", TEXT_ID, nullable=False),
    Column("delta", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(
        ["product_id", "vendor_id"], [vendor_stock.c.product_id, vendor_stock.c.vendor_id]
    ),
    CheckConstraint("delta <> 0", name="delta_not_zero"),
)

# A trigger refuses steps from one status to another that the domain's table does not have.
orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("status", Text, nullable=False),
    Column("failure", Text),
    Column("idempotency_key", Text),
    Column("reference", Text),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    Column("sent_at", TIMESTAMP, nullable=False),
    # How many deliveries of its message had failed when a worker last lived to record it.
    Column("failed_attempts", Integer, nullable=False, server_default="0"),
    # Why the last of them did.
    Column("problem", Text),
    # What was asked for under the key.
    Column("digest", Text),
    # Of a hold.
    Column("expires_at", TIMESTAMP),
    # The order that waits for what was not there for this one.
    Column("rest_id", Uuid),
    # How many steps it has taken, and their events: a line of JSON each.
    Column("sequence", Integer, nullable=False, server_default="1"),
    Column("history", Text, nullable=False, server_default=""),
    Column("fulfilled_at", TIMESTAMP),
    CheckConstraint("status <> 'held' OR expires_at IS NOT NULL", name="hold_expires"),
    CheckConstraint("failed_attempts >= 0", name="failed_attempts_not_negative"),
    CheckConstraint(
        "status IN ('held', 'backordered', 'reserved', 'fulfilled', 'failed', 'cancelled', "
        "'expired', 'returned')",
        name="status_known",
    ),
    CheckConstraint("(status = 'failed') = (failure IS NOT NULL)", name="failure_has_reason"),
    sqlite_with_rowid=False,
)
Index(
    "orders_idempotency_key",
    orders.c.idempotency_key,
    unique=True,
    postgresql_where=orders.c.idempotency_key.is_not(None),
    sqlite_where=orders.c.idempotency_key.is_not(None),
)
Index(
    "orders_reference",
    orders.c.reference,
    orders.c.id,
    postgresql_where=orders.c.reference.is_not(None),
    sqlite_where=orders.c.reference.is_not(None),
)
# For what has changed since somebody looked last.
Index("orders_updated_at", orders.c.updated_at)
# For listing by status, and for orders that nobody fulfilled. Nearly all orders end up fulfilled:
# those are found by going through all of them, and the index stays small.
# A query has to repeat the condition, or SQLite does not see that the index applies.
NOT_FULFILLED = orders.c.status != literal_column(f"'{OrderStatus.FULFILLED}'")
Index(
    "orders_not_fulfilled",
    orders.c.status,
    orders.c.id,
    orders.c.sent_at,
    postgresql_where=NOT_FULFILLED,
    sqlite_where=NOT_FULFILLED,
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", Uuid, ForeignKey(orders.c.id), nullable=False),
    # Not to `products`: the row of `central_stock` is locked by whoever inserts a line.
    Column("product_id", TEXT_ID, ForeignKey(central_stock.c.product_id), nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    # Of these units, how many are not wanted any more, or were not there.
    Column("cancelled", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("order_id", "product_id"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    CheckConstraint("cancelled >= 0 AND cancelled <= quantity", name="cancelled_was_ordered"),
    # For listing the orders of one product, newest first.
    Index(None, "product_id", "order_id"),
    sqlite_with_rowid=False,
)

# The lines of orders that are held.
hold_lines = Table(
    "hold_lines",
    metadata,
    Column("product_id", TEXT_ID, nullable=False),
    Column("expires_at", TIMESTAMP, nullable=False),
    Column("order_id", Uuid, nullable=False),
    PrimaryKeyConstraint("product_id", "expires_at", "order_id"),
    ForeignKeyConstraint(
        ["order_id", "product_id"], [order_lines.c.order_id, order_lines.c.product_id]
    ),
    Index(None, "order_id"),
    sqlite_with_rowid=False,
)

# What orders wait for. Numbered while the product is locked, so the oldest has the lowest number.
backorders = Table(
    "backorders",
    metadata,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("product_id", TEXT_ID, nullable=False),
    Column("units", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["order_id", "product_id"], [order_lines.c.order_id, order_lines.c.product_id]
    ),
    CheckConstraint("units > 0", name="units_positive"),
    Index("backorders_order_id_product_id", "order_id", "product_id", unique=True),
    Index(None, "product_id", "id"),
    sqlite_autoincrement=True,
)

allocations = Table(
    "allocations",
    metadata,
    Column("order_id", Uuid, nullable=False),
    Column("product_id", TEXT_ID, nullable=False),
    Column("vendor_id", TEXT_ID, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    # Of all units ever allocated from this vendor stock, these included.
    Column("sequence", BigInteger, nullable=False),
    # Of these units, how many came back.
    Column("returned", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("order_id", "product_id", "vendor_id"),
    ForeignKeyConstraint(
        ["order_id", "product_id"], [order_lines.c.order_id, order_lines.c.product_id]
    ),
    ForeignKeyConstraint(
        ["product_id", "vendor_id"], [vendor_stock.c.product_id, vendor_stock.c.vendor_id]
    ),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    CheckConstraint("sequence >= quantity", name="sequence_counts_quantity"),
    CheckConstraint("returned >= 0 AND returned <= quantity", name="returned_was_allocated"),
    # For the orders of a vendor.
    Index(None, "vendor_id", "order_id"),
    sqlite_with_rowid=False,
)

# Its rows are few and short-lived: the primary key finds the oldest, and any other index would only
# make the claims dearer. What is given up goes to a table of its own.
outbox = Table(
    "outbox",
    metadata,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    # Null: at once, whatever any clock says.
    Column("due_at", TIMESTAMP),
    Column("attempts", Integer, nullable=False),
    # A number is never given twice, so that a late settlement cannot hit another message.
    sqlite_autoincrement=True,
)

# What happened, a row for each transaction: a line of JSON for each event.
event_batches = Table(
    "event_batches",
    metadata,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("events", Text, nullable=False),
    # Given after the commit, so that nobody reads a later one before an earlier one. SQLite has but
    # one writer at a time: there the id says it.
    Column("position", BigInteger),
    Index("event_batches_position", "position", unique=True),
    Index(None, "created_at"),
    sqlite_autoincrement=True,
)
Index(
    "event_batches_new",
    event_batches.c.id,
    postgresql_where=event_batches.c.position.is_(None),
    sqlite_where=event_batches.c.position.is_(None),
)

# One row at most: the last position that was given.
event_position = Table(
    "event_position",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# Up to where each reader has read.
event_cursors = Table(
    "event_cursors",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("claimed_until", TIMESTAMP),
    sqlite_with_rowid=False,
)

# Who is told what happens.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", TEXT_ID, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    # Patterns with spaces between.
    Column("types", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("created_at", TIMESTAMP, nullable=False),
    # It is told what happened after this.
    Column("position", BigInteger, nullable=False),
    # Until when somebody sends to it; and why the last attempts failed.
    Column("claimed_until", TIMESTAMP),
    Column("problem", Text),
    sqlite_with_rowid=False,
)

# What a webhook has not taken yet.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("webhook_id", TEXT_ID, ForeignKey(webhooks.c.id), nullable=False),
    Column("message_id", TEXT_ID, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Null: it is dead, and tried no more.
    Column("due_at", TIMESTAMP),
    Column("problem", Text),
    CheckConstraint("attempts >= 0", name="attempts_not_negative"),
    Index(None, "webhook_id", "due_at", "id"),
    Index("webhook_deliveries_message", "webhook_id", "message_id", unique=True),
    # A number is never given twice, so that a late settlement cannot hit another delivery.
    sqlite_autoincrement=True,
)

# Requests that were carried out, with what was answered.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("used_at", TIMESTAMP, nullable=False),
    PrimaryKeyConstraint("scope", "key"),
    # For forgetting the oldest.
    Index(None, "used_at"),
    sqlite_with_rowid=False,
)

# Who may call. Those that are revoked stay: a token was made, whatever became of it.
access_tokens = Table(
    "access_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # SHA-256, in hexadecimal.
    Column("digest", Text, nullable=False),
    # A JSON array: a vendor's id may have spaces.
    Column("scopes", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("expires_at", TIMESTAMP),
    Column("last_used_at", TIMESTAMP),
    Column("revoked_at", TIMESTAMP),
    Column("of_demo", Boolean, nullable=False, server_default=false()),
    # So many requests in so many seconds; NULL: as RATE_LIMIT says.
    Column("rate_requests", Integer),
    Column("rate_seconds", Integer),
    # Requests in a day of UTC; NULL: any number.
    Column("daily_quota", BigInteger),
    # The last day on which requests were counted, as 2026-12-31, and how many.
    Column("used_on", Text),
    Column("used", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("(rate_requests IS NULL) = (rate_seconds IS NULL)", name="whole_rate"),
    CheckConstraint("rate_requests BETWEEN 1 AND 1000000", name="rate_requests_in_range"),
    CheckConstraint("rate_seconds BETWEEN 1 AND 86400", name="rate_seconds_in_range"),
    CheckConstraint("daily_quota BETWEEN 1 AND 1000000000", name="daily_quota_in_range"),
    CheckConstraint("used_on LIKE '____-__-__'", name="used_on_a_day"),
    CheckConstraint("used >= 0", name="used_not_negative"),
    CheckConstraint("length(digest) = 64", name="digest_not_the_token"),
    CheckConstraint("expires_at > created_at", name="expires_later"),
    Index("access_tokens_digest", "digest", unique=True),
    sqlite_with_rowid=False,
)

# What was changed by whom.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("at", TIMESTAMP, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("path", Text),
    Column("target", Text),
    Column("status", Integer, nullable=False),
    Column("request_id", Text),
    Column("detail", Text),
    # For forgetting the oldest.
    Index(None, "at"),
    sqlite_autoincrement=True,
)

# When each machine that a SQLite file was on was started, by its wall clock at the time.
boots = Table(
    "boots",
    metadata,
    Column("boot_id", Text, primary_key=True),
    Column("started_at", TIMESTAMP, nullable=False),
    sqlite_with_rowid=False,
)

# Those that run, and those that died lately: each says again and again that it is at work.
processes = Table(
    "processes",
    metadata,
    Column("id", TEXT_ID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", TIMESTAMP, nullable=False),
    Column("last_seen", TIMESTAMP, nullable=False),
    CheckConstraint("kind IN ('api', 'worker', 'relay', 'sync')", name="kind_known"),
    sqlite_with_rowid=False,
)

# What each process has done since it started, for an hour.
process_samples = Table(
    "process_samples",
    metadata,
    Column("at", TIMESTAMP, primary_key=True),
    Column("process_id", TEXT_ID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("p50", Double),
    Column("p99", Double),
    Column("reserved", BigInteger),
    Column("oldest_wait", Double),
    CheckConstraint("kind IN ('api', 'worker', 'relay', 'sync')", name="kind_known"),
    CheckConstraint("done >= 0 AND refused >= 0", name="figures_counted"),
    sqlite_with_rowid=False,
)

# One row at most: when somebody last reported that the outbox is not being sent.
outbox_alarm = Table(
    "outbox_alarm",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("raised_at", TIMESTAMP, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

parked_messages = Table(
    "parked_messages",
    metadata,
    # The number that it had in the outbox.
    Column("id", ROW_ID, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    # Null where it was parked before this was kept.
    Column("parked_at", TIMESTAMP),
)
