"""The derived tables (judgements, KPI values) and the system tables (ledger, cursors, quarantine, registry). Declared
here, read through `tables`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    Integer,
    String,
)

from cxflow.warehouse.columns import TIME, UUID, column, derived_table, system_table

VERSION_TABLE = "cxflow_version"
"""Alembic's table with the current revision."""

touchpoint_judgement = derived_table(
    "touchpoint_judgement",
    "what each touchpoint was to the customer: stage, control, and whether the experience was good or bad",
    ("judgement_id",),
    column("judgement_id", String, "the touchpoint; else the kind and id of what happened", nullable=False),
    column("touchpoint_id", String, "the touchpoint; null: what happened has none (a late delivery)"),
    column(
        "occurred_at", TIME, "when it was lived through: its evidence, else the touchpoint", nullable=False
    ),
    column("customer_id", String, "the customer: the touchpoint's, else the order's or the case's"),
    column("order_id", String, "the order it is about"),
    column("case_id", String, "the support case it belongs to"),
    column("activity", String, "the touchpoint's; null without one"),
    column("channel", String, "the touchpoint's; null without one"),
    column("source_system", String, "the connection it came through", nullable=False),
    column(
        "journey_stage",
        String,
        "before, during or after, relative to the customer's own orders; or unknown",
        nullable=False,
    ),
    column("control", String, "owned or external", nullable=False),
    column("polarity", Integer, "−1 bad, 0 neutral, 1 good; null: unjudged, which is not neutral"),
    column("intensity", Double, "0 to 1; null: unjudged"),
    column("rule", String, "the rule that judged it, of the seed table polarity"),
    column(
        "is_counted",
        Boolean,
        "whether it is the one judgement of its customer, order or case in 14 days",
        nullable=False,
    ),
)

kpi_definition = derived_table(
    "kpi_definition",
    "the definition of each KPI",
    ("kpi", "version"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "raised when the formula changes", nullable=False),
    column("title", String, "name for display", nullable=False),
    column("unit", String, "points, share, seconds, …", nullable=False),
    column("better", String, "higher, lower or neither"),
    column("lowest", Double, "smallest possible value"),
    column("highest", Double, "largest possible value"),
    column("formula", String, "in words", nullable=False),
    column("interval_method", String, "how ci_low and ci_high are computed", nullable=False),
    column("settings", String, "time zone, currency, [kpis], grains and dimensions of its values, as JSON"),
    column("slices", String, "JSON: dimension to the names of its slices"),
    column("title_es", String, "name for display, in Spanish"),
    column("description", String, "what it tells a manager"),
    column("description_es", String, "the same in Spanish"),
    column("decimals", Integer, "how many to show; of a share, those of its percentage"),
    column("formula_es", String, "the formula in words, in Spanish"),
)

kpi_value = derived_table(
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
        "its value, or (other) for those beyond kpis.max_values; empty: everything",
        nullable=False,
    ),
    column("as_of", TIME, "when this value was published", nullable=False),
    column("numerator", Double, "additive component"),
    column("denominator", Double, "additive component"),
    column("n", BigInteger, "observations", nullable=False),
    column("value", Double, "null if n is below the minimum, or the period has no value"),
    column("ci_low", Double, "95 % interval, low end"),
    column("ci_high", Double, "95 % interval, high end"),
    column("is_suppressed", Boolean, "whether n is below the minimum", nullable=False),
    column(
        "squared_deviation",
        Double,
        "sum of squared deviations from the mean; null if no interval needs it",
    ),
    column(
        "left_out", BigInteger, "events that belong to it and could not be counted (no value, no customer)"
    ),
    column("cubed_deviation", Double, "sum of cubed deviations from the mean; null if no interval needs it"),
    column("interval_note", String, "why the value has no interval"),
    column(
        "customers",
        BigInteger,
        "customers of the observations, each of an unknown one counted as one; null: too many to count",
    ),
    column("effective_n", Double, "how many independent observations would have this interval"),
    column(
        "is_complete",
        Boolean,
        "whether the period is over and everything that it needs is loaded; null for the whole time",
    ),
    column(
        "restated_because", String, "why it replaces the value before it: which loads, or what else changed"
    ),
)

kpi_complete = derived_table(
    "kpi_complete",
    "how far each source is loaded, as far as each KPI needs it",
    ("kpi", "version", "source"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "of its definition", nullable=False),
    column("source", String, "connection with rows that it reads; empty: all of them", nullable=False),
    column(
        "complete_until", TIME, "periods that end by then have all that they need; null: nobody knows when"
    ),
)

kpi_status = derived_table(
    "kpi_status",
    "whether each KPI could be computed",
    ("kpi", "version"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "of its definition", nullable=False),
    column("status", String, "computed, failed, or no events", nullable=False),
    column("reason", String, "why it failed or has no events"),
    column("since", TIME, "when it came to this status", nullable=False),
)


def _cell_of_day() -> tuple[Column[Any], ...]:
    """New columns that say which KPI, day and slice a row is of."""
    return (
        column("kpi", String, "its name", nullable=False),
        column("version", Integer, "of its definition", nullable=False),
        column("day", Date, "in the reporting time zone", nullable=False),
        column("dimension", String, "as in kpi_value", nullable=False),
        column("dimension_value", String, "its value, never (other); empty: everything", nullable=False),
    )


kpi_day = system_table(
    "kpi_day",
    "current daily components of the KPIs that are sums, by dimension value, including those in (other)",
    ("kpi", "version", "day", "dimension", "dimension_value"),
    *_cell_of_day(),
    column("n", BigInteger, "observations", nullable=False),
    column("numerator", Double, "additive component"),
    column("squared_deviation", Double, "sum of squared deviations from the day's mean"),
    column("cubed_deviation", Double, "sum of cubed deviations from the day's mean"),
)

kpi_day_customer = system_table(
    "kpi_day_customer",
    "the rows of kpi_day by customer, for intervals that know which events are of one customer",
    ("kpi", "version", "day", "dimension", "dimension_value"),
    *_cell_of_day(),
    column("is_grouped", Boolean, "whether some of its customers are together in a group", nullable=False),
    column("customers", ARRAY(BigInteger), "hash of each customer, or the group's number", nullable=False),
    column("n", ARRAY(BigInteger), "observations of each", nullable=False),
    column("numerators", ARRAY(Double), "additive component of each", nullable=False),
)

kpi_left_out = system_table(
    "kpi_left_out",
    "how many events of each day a KPI leaves out, by reason",
    ("kpi", "version", "day", "dimension", "dimension_value", "reason"),
    *_cell_of_day(),
    column("reason", String, "no value, no customer, …", nullable=False),
    column("events", BigInteger, "how many", nullable=False),
)

kpi_horizon = system_table(
    "kpi_horizon",
    "how far each source is known, for KPIs that look ahead",
    ("horizon", "source"),
    column("horizon", String, "what tells it: support_contacts, orders, …", nullable=False),
    column("source", String, "connection", nullable=False),
    column("at", TIME, "the time of its newest such event", nullable=False),
)

business_hours = system_table(
    "business_hours",
    "when the teams of [calendars] work, for times in business minutes",
    ("calendar", "day"),
    column("calendar", String, "its name in cxflow.toml", nullable=False),
    column("day", Integer, "UTC day, in days since 1970-01-01", nullable=False),
    column(
        "seconds_before",
        Double,
        "how long it worked from the calendar's first day in this table to the day's midnight",
        nullable=False,
    ),
    column("opens", ARRAY(Double), "when its intervals begin, in seconds after midnight", nullable=False),
    column("closes", ARRAY(Double), "when they end", nullable=False),
)

load_run = system_table(
    "load_run",
    "the ledger: one row per loaded batch, whose counts balance",
    ("run_id",),
    column("run_id", String, "the load", nullable=False),
    column("batch_id", String, "the landed batch", nullable=False),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("mode", String, "scheduled, backfill, replay or remap", nullable=False),
    column("status", String, "loaded, or stopped (by the gate)", nullable=False),
    column("window_start", TIME, "start of the window; null: the beginning"),
    column("window_end", TIME, "end of the window, exclusive", nullable=False),
    column("started_at", TIME, "when the load started", nullable=False),
    column("finished_at", TIME, "just before its commit", nullable=False),
    column("extracted", BigInteger, "source records read", nullable=False),
    column("inserted", BigInteger, "new records", nullable=False),
    column("updated", BigInteger, "known records that changed", nullable=False),
    column("unchanged", BigInteger, "known records that did not change", nullable=False),
    column("deleted", BigInteger, "records that the source has deleted", nullable=False),
    column(
        "deduplicated", BigInteger, "records of which a newer or equal version was loaded", nullable=False
    ),
    column("quarantined", BigInteger, "refused records", nullable=False),
    column(
        "withdrawn",
        BigInteger,
        "records loaded before whose rows this load removed, because what it brought puts them in doubt",
    ),
    column(
        "vanished",
        BigInteger,
        "live records that count as deleted since this load, because two snapshots lack them",
    ),
    column("report", String, "JSON: drift, unusable identifiers, gate (no personal data)", nullable=False),
    column("plugin_version", String, "version of the connector", nullable=False),
    column("mapping", String, "hash of the mapping that made its rows"),
    CheckConstraint(
        "status <> 'loaded' OR "
        "extracted = inserted + updated + unchanged + deleted + deduplicated + quarantined",
        name="the_books_balance",
    ),
)

stream_state = system_table(
    "stream_state",
    "the cursor of each stream",
    ("source_system", "source_object"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("cursor", String, "JSON, in the connector's format", nullable=False),
    column("position", TIME, "everything known before this instant is loaded"),
    column("known_until", TIME, "what happened before this instant has been delivered and loaded"),
    column("raw_columns", String, "JSON: the raw schema seen so far", nullable=False),
    column("mapping", String, "hash of the mapping that made every loaded row; null: several did"),
    column("run_id", String, "the load that set it", nullable=False),
    column("updated_at", TIME, "when it was set", nullable=False),
)

quarantine = system_table(
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
    column("rule", String, "the rule it broke", nullable=False),
    column("column_name", String, "the canonical column at fault"),
    column("raw_value", String, "the value at fault", info={"pii": True}),
    column("payload", String, "the raw record, JSON or text", info={"pii": True}),
    column("version_at", TIME, "version of the record, if it could be read"),
    column("received_at", TIME, "when the record was delivered", nullable=False),
    column("origin", String, "the file, table or request that it came from"),
    column("raw_hash", BigInteger, "hash of the raw record, if it could be read"),
    column("status", String, "open, replayed, superseded or discarded", nullable=False),
    column("reason", String, "why it was discarded"),
    column("first_seen_at", TIME, "when it was first refused", nullable=False),
    column("closed_at", TIME, "when it left the quarantine"),
    column("run_id", String, "the load that wrote or closed it", nullable=False),
)

source_record = system_table(
    "source_record",
    "the registry: one row per source record, with the version that is loaded, and where its raw record lies",
    ("source_system", "source_object", "source_record_id"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("source_record_id", String, "the record's key", nullable=False),
    column("version_at", TIME, "its version, if the stream declares one"),
    column("received_at", TIME, "when that version was delivered", nullable=False),
    column("content_hash", String, "hash of the resulting rows; empty: in conflict, no rows", nullable=False),
    column("is_deleted", Boolean, "whether the source has deleted it", nullable=False),
    column("run_id", String, "the load that wrote it", nullable=False),
    column("origin", String, "the file, table or request that it came from"),
    column("batch_id", String, "the landed batch with the raw record"),
    column("row_number", BigInteger, "its row in that batch, from 1"),
    column("raw_hash", BigInteger, "hash of the raw record"),
)

stream_snapshot = system_table(
    "stream_snapshot",
    "the snapshots that were loaded: deliveries that held everything their stream had",
    ("source_system", "source_object", "origin", "received_at"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("origin", String, "the file, table or request", nullable=False),
    column("received_at", TIME, "when it was delivered", nullable=False),
    column("content", String, "fingerprint of what was delivered; null: each delivery is a snapshot"),
    column("run_id", String, "the load that brought it", nullable=False),
)

record_sighting = system_table(
    "record_sighting",
    "of a stream with snapshots: when each record was last delivered, loaded or refused",
    ("source_system", "source_object", "source_record_id"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("source_record_id", String, "the record's key", nullable=False),
    column("seen_at", TIME, "when the last delivery with it was delivered", nullable=False),
    column("is_vanished", Boolean, "whether it counts as deleted because it vanished", nullable=False),
)

key_claim = system_table(
    "key_claim",
    "the keys of canonical tables that several records claim, and every key of a record that is refused for one",
    ("source_system", "source_object", "source_record_id", "table_name", "key_hash"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("source_record_id", String, "the record that claims the key", nullable=False),
    column("table_name", String, "the canonical table", nullable=False),
    column("key_hash", String, "hash of the key's values", nullable=False),
    column(
        "state",
        String,
        "refused: the record has no rows; held: it has the row, and only deleted records claim its key; "
        "lost: it is deleted and lacks the row; discarded: it has no rows and claims nothing",
        nullable=False,
    ),
)

record_identity = system_table(
    "record_identity",
    "the identifiers in each source record: the edges of the identity graph",
    ("source_system", "source_object", "source_record_id", "namespace", "identity_hash"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("source_record_id", String, "the record", nullable=False),
    column("namespace", String, "of the identifier", nullable=False),
    column("identity_hash", UUID, "keyed hash of the normalised value, 128 bits", nullable=False),
    column(
        "identity_value", String, "the value itself, if the settings keep it in clear", info={"pii": True}
    ),
    column("seen_at", TIME, "when the record's event happened", nullable=False),
)

pending_identity = system_table(
    "pending_identity",
    "identifiers whose records changed since identity was last resolved; concurrent loads may add one twice",
    (),
    column("namespace", String, "of the identifier", nullable=False),
    column("identity_hash", UUID, "its hash", nullable=False),
)

pending_kpi = system_table(
    "pending_kpi",
    "days whose rows changed since the KPIs were last computed; concurrent loads may add one twice",
    (),
    column("table_name", String, "the canonical table", nullable=False),
    column("day", Date, "UTC day of the event; null: rows without a time"),
    column("cause", String, "what changed them, in words: which load, or which step after it"),
)

pending_text = system_table(
    "pending_text",
    "touchpoints whose texts changed since they were last scored; concurrent loads may add one twice",
    (),
    column("touchpoint_id", String, "the touchpoint", nullable=False),
)

alert = system_table(
    "alert",
    "what somebody should look at, as it was last looked for",
    ("kind", "place", "subject"),
    column("kind", String, "gate closed, late, volume, refusals, KPI changed, KPIs late", nullable=False),
    column("place", String, "connection.stream, or a KPI", nullable=False),
    column("subject", String, "its batch, day or period; empty: there is only one at a time", nullable=False),
    column("first_seen_at", TIME, "when it was first found", nullable=False),
    column("told_at", TIME, "when somebody was told; null: nobody was yet"),
)

applied_settings = system_table(
    "applied_settings",
    "the settings that something was computed with",
    ("what",),
    column("what", String, "identity, judgement or words", nullable=False),
    column("settings", String, "JSON", nullable=False),
)

stream_lock = system_table(
    "stream_lock",
    "locks on PostgreSQL: a load locks the row of its stream, identity and KPIs lock the whole table",
    ("source_system", "source_object"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
)
