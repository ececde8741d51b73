"""The system tables of loads (ledger, cursors, quarantine, registry). Declared here, read through `tables`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    String,
)

from cxflow.warehouse.columns import TIME, UUID, column, system_table

VERSION_TABLE = "cxflow_version"
"""Alembic's table with the current revision."""

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
