"""What cxflow computes, and its books: customers and KPI values; ledger, cursors, quarantine, registry. Declared
here, read through `tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Date, Double, Integer, String

from cxflow.warehouse.columns import TIME, book, column

VERSION_TABLE = "cxflow_version"
"""Alembic's table with the revision; the tables below are its business."""

customer = book(
    "customer",
    "one person, as far as the identifiers tell",
    ("customer_id",),
    column("customer_id", String, "hash of the identifier first seen", nullable=False),
    column("merged_into_id", String, "the customer this one turned out to be"),
    column("first_seen_at", TIME, "earliest event with one of their identifiers", nullable=False),
    column("last_seen_at", TIME, "latest one", nullable=False),
    column("segment", String, "from the profile last changed"),
    column("consent", Boolean, "from the profile last changed"),
    column("country", String, "ISO 3166-1 alpha-2, from the profile last changed"),
    kind="derived",
)

customer_identity = book(
    "customer_identity",
    "which identifier names which customer, and since when",
    ("namespace", "identity_hash", "valid_from"),
    column("namespace", String, "email, phone, or connection.key", nullable=False),
    column("identity_hash", String, "keyed hash of the normalised value", nullable=False),
    column("identity_value", String, "the value itself, where settings keep it clear", info={"pii": True}),
    column("customer_id", String, "who it names", nullable=False),
    column("match_rule", String, "how it was linked: exact, or shared (links nobody)", nullable=False),
    column("confidence", Double, "0 to 1", nullable=False),
    column("valid_from", TIME, "first event with it", nullable=False),
    column("valid_to", TIME, "when the link was undone; null while it holds"),
    kind="derived",
)

kpi_definition = book(
    "kpi_definition",
    "what each KPI means",
    ("kpi", "version"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "raised when the formula changes", nullable=False),
    column("title", String, "for people", nullable=False),
    column("unit", String, "points, share, seconds, …", nullable=False),
    column("better", String, "higher or lower"),
    column("lowest", Double, "smallest possible value"),
    column("highest", Double, "largest possible value"),
    column("formula", String, "in words", nullable=False),
    column("interval_method", String, "how ci_low and ci_high are computed", nullable=False),
    column("settings", String, "time zone, currency, [kpis], grains and dimensions of its values, as JSON"),
    column("slices", String, "JSON: dimension to the names of its slices"),
    kind="derived",
)

kpi_value = book(
    "kpi_value",
    "every KPI value ever published; the latest as_of is the current one",
    ("kpi", "version", "grain", "period_start", "dimension", "dimension_value", "as_of"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "of its definition", nullable=False),
    column("grain", String, "day, week (from Monday), month, quarter, year or all", nullable=False),
    column("period_start", Date, "first day, reporting time zone; 0001-01-01 for all", nullable=False),
    column("dimension", String, "channel, source, segment, agent, …; empty: everything", nullable=False),
    column(
        "dimension_value",
        String,
        "its value, or (other) for all beyond kpis.max_values; empty: everything",
        nullable=False,
    ),
    column("as_of", TIME, "when this value was published", nullable=False),
    column("numerator", Double, "additive component"),
    column("denominator", Double, "additive component"),
    column("n", BigInteger, "observations", nullable=False),
    column("value", Double, "null where n is under the minimum or the period has none"),
    column("ci_low", Double, "95 % interval, low end"),
    column("ci_high", Double, "95 % interval, high end"),
    column("is_suppressed", Boolean, "n is under the minimum", nullable=False),
    column(
        "squared_deviation",
        Double,
        "squared distances from the mean, summed; null where no interval needs it",
    ),
    kind="derived",
)

kpi_day = book(
    "kpi_day",
    "what KPIs that are sums are made of: each day and value as it is now, those in (other) included",
    ("kpi", "version", "day", "dimension", "dimension_value"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "of its definition", nullable=False),
    column("day", Date, "in the reporting time zone", nullable=False),
    column("dimension", String, "as in kpi_value", nullable=False),
    column("dimension_value", String, "its value, never (other); empty: everything", nullable=False),
    column("n", BigInteger, "observations", nullable=False),
    column("numerator", Double, "additive component"),
    column("squared_deviation", Double, "squared distances from the day's mean, summed"),
)

load_run = book(
    "load_run",
    "the ledger: one row per loaded batch, and the books balance in each",
    ("run_id",),
    column("run_id", String, "the load", nullable=False),
    column("batch_id", String, "the landed batch", nullable=False),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("mode", String, "scheduled, backfill or replay", nullable=False),
    column("status", String, "loaded, or stopped by the gate", nullable=False),
    column("window_start", TIME, "first instant asked for; null: the beginning"),
    column("window_end", TIME, "first instant not asked for", nullable=False),
    column("started_at", TIME, "when the load began", nullable=False),
    column("finished_at", TIME, "just before its commit", nullable=False),
    column("extracted", BigInteger, "source records read", nullable=False),
    column("inserted", BigInteger, "new ones", nullable=False),
    column("updated", BigInteger, "known ones that changed", nullable=False),
    column("unchanged", BigInteger, "known ones that did not", nullable=False),
    column("deleted", BigInteger, "ones that the source has deleted", nullable=False),
    column("deduplicated", BigInteger, "ones of which a newer or equal version was there", nullable=False),
    column("quarantined", BigInteger, "ones refused", nullable=False),
    column("report", String, "JSON: drift, unusable identifiers, gate (no personal data)", nullable=False),
    column("plugin_version", String, "of the connector", nullable=False),
    CheckConstraint(
        "status <> 'loaded' OR "
        "extracted = inserted + updated + unchanged + deleted + deduplicated + quarantined",
        name="the_books_balance",
    ),
)

stream_state = book(
    "stream_state",
    "the cursors",
    ("source_system", "source_object"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("cursor", String, "JSON, the connector's own", nullable=False),
    column("position", TIME, "everything known before this instant is loaded"),
    column("raw_columns", String, "JSON: the raw shape seen so far", nullable=False),
    column("run_id", String, "the load that set it", nullable=False),
    column("updated_at", TIME, "when", nullable=False),
)

quarantine = book(
    "quarantine",
    "source records that were refused, with the reason and the raw record",
    ("quarantine_id",),
    column("quarantine_id", String, "hash of system, object, key, content and rule", nullable=False),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("source_record_id", String, "the record's key, as far as it could be read"),
    column("batch_id", String, "the landed batch it is in", nullable=False),
    column("row_number", BigInteger, "its row in that batch, from 1", nullable=False),
    column("stage", String, "landing, conform or validate", nullable=False),
    column("rule", String, "what it broke", nullable=False),
    column("column_name", String, "the canonical column at fault"),
    column("raw_value", String, "the value at fault", info={"pii": True}),
    column("payload", String, "the raw record, JSON or text", info={"pii": True}),
    column("version_at", TIME, "the refused version, where it could be read"),
    column("received_at", TIME, "when it was delivered", nullable=False),
    column("status", String, "open, replayed, superseded or discarded", nullable=False),
    column("reason", String, "why it was discarded"),
    column("first_seen_at", TIME, "when", nullable=False),
    column("closed_at", TIME, "when it left the quarantine"),
    column("run_id", String, "the load that wrote or closed it", nullable=False),
)

source_record = book(
    "source_record",
    "the registry: one row per source record, with the version that is loaded",
    ("source_system", "source_object", "source_record_id"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("source_record_id", String, "the record's key", nullable=False),
    column("version_at", TIME, "its version, where the stream declares one"),
    column("received_at", TIME, "when that version was delivered", nullable=False),
    column("content_hash", String, "of what it became", nullable=False),
    column("is_deleted", Boolean, "deleted at the source", nullable=False),
    column("run_id", String, "the load that wrote it", nullable=False),
)

record_identity = book(
    "record_identity",
    "the identifiers met in each source record: the edges of the identity graph",
    ("source_system", "source_object", "source_record_id", "namespace", "identity_hash"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("source_record_id", String, "the record", nullable=False),
    column("namespace", String, "of the identifier", nullable=False),
    column("identity_hash", String, "keyed hash of the normalised value", nullable=False),
    column("identity_value", String, "the value itself, where settings keep it clear", info={"pii": True}),
    column("seen_at", TIME, "when the record's event happened", nullable=False),
)

pending_identity = book(
    "pending_identity",
    "identifiers whose records changed since identity was last resolved; concurrent loads may add one twice",
    (),
    column("namespace", String, "of the identifier", nullable=False),
    column("identity_hash", String, "its hash", nullable=False),
)

pending_kpi = book(
    "pending_kpi",
    "days whose rows changed since the KPIs were last computed; concurrent loads may add one twice",
    (),
    column("table_name", String, "the canonical table", nullable=False),
    column("day", Date, "UTC day of the event; null: rows without a time"),
)

stream_lock = book(
    "stream_lock",
    "locks on PostgreSQL: a load locks the row of its stream, identity and KPIs lock the whole table",
    ("source_system", "source_object"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
)
