"""Assigns every identifier to a customer and sets `customer_id` on every row. Called by `flow` after loads.

Only the customers of pending identifiers are resolved again, with all their identifiers and records. The result does
not depend on the order of loads: a customer is named after the identifier seen first (the earliest event, then the
namespace and the smallest hash), so that later identifiers join without renaming anyone, and a rebuild from scratch
gives the same names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cxflow.identity import components
from cxflow.settings import Settings
from cxflow.warehouse import engines, pending, revisions, tables


@dataclass(frozen=True, slots=True)
class IdentityReport:
    """What a resolution did."""

    identifiers: int
    """Identifiers resolved: the pending ones, those seen with them, and the others of their customers."""
    customers: int
    """Customers that they belong to now."""
    merged: int
    """Customers merged into another one."""
    shared: int
    """Identifiers seen with so many others that they identify nobody."""


_TEMPORARY = (
    "reached",
    "affected",
    "seen",
    "node",
    "shared_node",
    "edge",
    "component",
    "assigned",
    "owner",
    "former",
    "retired",
    "owned",
    "profile",
    "moved",
)
_OWNED = sa.table(
    "owned",
    *(
        sa.column(name, sa.String)
        for name in ("source_system", "source_object", "source_record_id", "customer_id")
    ),
)
"""Records with their current customer."""
_MOVED = sa.select(sa.table("moved", sa.column("customer_id", sa.String)).c.customer_id)
"""Customers whose segment, country or consent changed."""


def resolve(connection: sa.Connection, settings: Settings) -> IdentityReport:
    """Resolve the pending identifiers, within the caller's transaction."""
    revisions.require_revision(connection)
    engines.of(connection).lock_streams(
        connection
    )  # or what a concurrent load notes would be deleted unresolved
    revisions.require(connection)
    if not connection.scalar(sa.text("SELECT count(*) FROM pending_identity")):
        return IdentityReport(0, 0, 0, 0)
    engines.of(connection).analyze(connection, "pending_identity", "record_identity", "customer_identity")
    _collect(connection, settings.identity.max_identifiers)
    shared = _set_shared_apart(connection, settings.identity.max_identifiers)
    components.label(connection, "edge", "component")
    _name(connection)
    merged = _keep_identities(connection)
    _retire(connection)
    _assign_rows(connection)
    _keep_customers(connection)
    report = IdentityReport(
        identifiers=_count(connection, "SELECT count(*) FROM affected"),
        customers=_count(
            connection, "SELECT count(DISTINCT customer_id) FROM assigned WHERE customer_id IS NOT NULL"
        ),
        merged=merged,
        shared=shared,
    )
    _run(connection, "DELETE FROM pending_identity")
    for name in _TEMPORARY:
        _run(connection, f"DROP TABLE {name}")
    return report


def _shared(identifiers: str, limit: int) -> str:
    """SQL for those of the `identifiers` that are seen with more than `limit` others of one namespace."""
    return (
        "SELECT namespace, identity_hash FROM ("
        "SELECT m.namespace, m.identity_hash, o.namespace AS other, count(DISTINCT o.identity_hash) AS others "
        f"FROM {identifiers} s JOIN record_identity m "
        "ON m.namespace = s.namespace AND m.identity_hash = s.identity_hash "
        "JOIN record_identity o ON o.source_system = m.source_system AND o.source_object = m.source_object "
        "AND o.source_record_id = m.source_record_id "
        "AND (o.namespace <> m.namespace OR o.identity_hash <> m.identity_hash) "
        "GROUP BY m.namespace, m.identity_hash, o.namespace) beside "
        f"WHERE others > {limit} GROUP BY namespace, identity_hash"
    )


def _collect(connection: sa.Connection, limit: int) -> None:
    """Create `affected`: the pending identifiers, those seen with them, and all others of their customers; `seen`: the
    records with one of them; `node`: the affected identifiers that a record still holds, numbered, with the times they
    were first and last seen.

    A shared pending identifier reaches no others: those seen with it are separate customers.
    """
    _make(
        connection,
        "reached",
        "SELECT namespace, identity_hash FROM pending_identity UNION "
        "SELECT o.namespace, o.identity_hash FROM pending_identity p JOIN record_identity m "
        "ON m.namespace = p.namespace AND m.identity_hash = p.identity_hash "
        "JOIN record_identity o ON o.source_system = m.source_system AND o.source_object = m.source_object "
        f"AND o.source_record_id = m.source_record_id LEFT JOIN ({_shared('pending_identity', limit)}) s "
        "ON s.namespace = p.namespace AND s.identity_hash = p.identity_hash WHERE s.identity_hash IS NULL",
    )
    _make(
        connection,
        "affected",
        "SELECT namespace, identity_hash FROM reached UNION "
        "SELECT i.namespace, i.identity_hash FROM customer_identity i WHERE i.valid_to IS NULL "
        "AND i.customer_id <> '' AND i.customer_id IN (SELECT k.customer_id FROM customer_identity k "
        "JOIN reached r ON r.namespace = k.namespace AND r.identity_hash = k.identity_hash)",
    )
    _make(
        connection,
        "seen",
        "SELECT r.*, dense_rank() OVER (ORDER BY r.source_system, r.source_object, "
        "r.source_record_id) AS record FROM record_identity r JOIN affected a "
        "ON a.namespace = r.namespace AND a.identity_hash = r.identity_hash",
    )
    _make(
        connection,
        "node",
        "SELECT namespace, identity_hash, min(identity_value) AS identity_value, "
        "min(seen_at) AS first_seen_at, max(seen_at) AS last_seen_at, "
        "row_number() OVER (ORDER BY namespace, identity_hash) AS node FROM seen GROUP BY namespace, identity_hash",
    )


def _set_shared_apart(connection: sa.Connection, limit: int) -> int:
    """Create `edge`, record to node, without shared identifiers. Returns the number of shared identifiers."""
    _make(
        connection,
        "shared_node",
        f"SELECT n.node FROM ({_shared('affected', limit)}) s "
        "JOIN node n ON n.namespace = s.namespace AND n.identity_hash = s.identity_hash",
    )
    _make(
        connection,
        "edge",
        "SELECT m.record, n.node FROM seen m "
        "JOIN node n ON n.namespace = m.namespace AND n.identity_hash = m.identity_hash "
        "WHERE n.node NOT IN (SELECT node FROM shared_node)",
    )
    return _count(connection, "SELECT count(*) FROM shared_node")


def _name(connection: sa.Connection) -> None:
    """Create `assigned`: each identifier with its customer, named after the component's first identifier; null if the
    identifier is shared."""
    _make(
        connection,
        "assigned",
        "SELECT n.*, c.label, "
        "first_value(md5(n.namespace || '|' || n.identity_hash)) OVER (PARTITION BY c.label "
        "ORDER BY n.first_seen_at, n.namespace, n.identity_hash) AS customer_id "
        "FROM node n JOIN component c ON c.node = n.node UNION ALL "
        "SELECT n.*, NULL, NULL FROM node n WHERE n.node IN (SELECT node FROM shared_node)",
    )


def _keep_identities(connection: sa.Connection) -> int:
    """Write `customer_identity`, and close identifiers that no record holds any more. Returns the number of customers
    merged into another."""
    _make(
        connection,
        "former",
        "SELECT i.* FROM customer_identity i JOIN affected a "
        "ON a.namespace = i.namespace AND a.identity_hash = i.identity_hash",
    )
    _run(
        connection,
        "DELETE FROM customer_identity WHERE EXISTS (SELECT 1 FROM affected a "
        "WHERE a.namespace = customer_identity.namespace AND a.identity_hash = customer_identity.identity_hash)",
    )
    columns = (
        "namespace, identity_hash, identity_value, customer_id, match_rule, confidence, valid_from, valid_to"
    )
    _run(
        connection,
        f"INSERT INTO customer_identity ({columns}) SELECT namespace, identity_hash, identity_value, "
        "coalesce(customer_id, ''), CASE WHEN customer_id IS NULL THEN 'shared' ELSE 'exact' END, "
        "CASE WHEN customer_id IS NULL THEN 0 ELSE 1 END, first_seen_at, NULL FROM assigned",
    )
    _run(
        connection,
        f"INSERT INTO customer_identity ({columns}) SELECT f.namespace, f.identity_hash, NULL, f.customer_id, "
        "f.match_rule, f.confidence, f.valid_from, coalesce(f.valid_to, now()) FROM former f "
        "WHERE NOT EXISTS (SELECT 1 FROM node n WHERE n.namespace = f.namespace "
        "AND n.identity_hash = f.identity_hash)",
    )
    # A customer is named after an identifier, and has become the customer that this identifier belongs to now.
    _make(
        connection,
        "owner",
        "SELECT md5(namespace || '|' || identity_hash) AS named_after, customer_id "
        "FROM assigned WHERE customer_id IS NOT NULL",
    )
    _run(
        connection,
        "UPDATE customer SET merged_into_id = CASE WHEN o.customer_id = o.named_after THEN NULL "
        "ELSE o.customer_id END FROM owner o WHERE customer.customer_id = o.named_after",
    )
    return _count(
        connection,
        "SELECT count(DISTINCT f.customer_id) FROM former f JOIN owner o ON o.named_after = f.customer_id "
        "WHERE o.customer_id <> o.named_after",
    )


def _retire(connection: sa.Connection) -> None:
    """Merge customers without identifiers into the one customer who has theirs now; delete them if there is none, or
    more than one."""
    _make(
        connection,
        "retired",
        "SELECT f.customer_id, "
        "CASE WHEN count(DISTINCT a.customer_id) = 1 THEN min(a.customer_id) END AS successor "
        "FROM former f LEFT JOIN assigned a ON a.namespace = f.namespace AND a.identity_hash = f.identity_hash "
        "WHERE f.customer_id <> '' AND f.valid_to IS NULL "
        "AND f.customer_id NOT IN (SELECT named_after FROM owner) AND f.customer_id NOT IN "
        "(SELECT i.customer_id FROM customer_identity i WHERE i.valid_to IS NULL) GROUP BY f.customer_id",
    )
    _run(
        connection,
        "UPDATE customer SET merged_into_id = r.successor FROM retired r "
        "WHERE r.customer_id = customer.customer_id AND r.successor IS NOT NULL",
    )
    gone = "(SELECT customer_id FROM retired WHERE successor IS NULL)"
    _run(connection, f"DELETE FROM customer WHERE customer_id IN {gone} OR merged_into_id IN {gone}")


def _assign_rows(connection: sa.Connection) -> None:
    """Update `customer_id` on the canonical rows of the records in `seen` where it changed, and note the days that this
    changes for the KPIs."""
    _make(
        connection,
        "owned",
        "SELECT r.source_system, r.source_object, r.source_record_id, "
        "max(nullif(i.customer_id, '')) AS customer_id FROM (SELECT DISTINCT source_system, source_object, "
        "source_record_id FROM seen) k JOIN record_identity r ON r.source_system = k.source_system "
        "AND r.source_object = k.source_object AND r.source_record_id = k.source_record_id "
        "LEFT JOIN customer_identity i ON i.namespace = r.namespace AND i.identity_hash = r.identity_hash "
        "AND i.valid_to IS NULL GROUP BY r.source_system, r.source_object, r.source_record_id",
    )
    for table in tables.CANONICAL.values():
        if "customer_id" not in table.columns:
            continue
        moved = _moved(table)
        if table.info["event_time"]:
            pending.note_days(connection, table, sa.select(table).join_from(table, _OWNED, moved))
        if table is tables.touchpoint:
            for satellite in _satellites():
                rows = _with_touchpoint(satellite).join(_OWNED, moved)
                pending.note_days(connection, satellite, rows)
        connection.execute(sa.update(table).where(moved).values(customer_id=_OWNED.c.customer_id))


def _moved(table: sa.Table) -> sa.ColumnElement[bool]:
    """The condition for the rows of a table whose customer changed."""
    key = ("source_system", "source_object", "source_record_id")
    same_record = [table.c[name] == _OWNED.c[name] for name in key]
    return sa.and_(*same_record, table.c.customer_id.is_distinct_from(_OWNED.c.customer_id))


def _satellites() -> list[sa.Table]:
    """Tables with an event time that get their customer only through the touchpoint."""
    return [
        table
        for table in tables.CANONICAL.values()
        if "touchpoint_id" in table.columns
        and "customer_id" not in table.columns
        and table.info["event_time"]
    ]


def _with_touchpoint(satellite: sa.Table) -> sa.Select[Any]:
    """The rows of a satellite, joined to their touchpoints."""
    touchpoint = tables.touchpoint
    return sa.select(satellite).join_from(
        satellite, touchpoint, touchpoint.c.touchpoint_id == satellite.c.touchpoint_id
    )


def _keep_customers(connection: sa.Connection) -> None:
    """Write `customer`: the known customers, when they were first and last seen, and their latest profile."""
    _make(
        connection,
        "profile",
        "SELECT * FROM (SELECT p.customer_id, p.segment, p.consent, p.country, "
        "row_number() OVER (PARTITION BY p.customer_id ORDER BY coalesce(r.version_at, r.received_at) DESC, "
        "p.profile_id) AS rank FROM customer_profile p JOIN source_record r "
        "ON r.source_system = p.source_system AND r.source_object = p.source_object "
        "AND r.source_record_id = p.source_record_id "
        "WHERE NOT p.is_deleted AND p.customer_id IN (SELECT customer_id FROM assigned)) ranked WHERE rank = 1",
    )
    seen = (
        "(SELECT a.customer_id, min(a.first_seen_at) AS first_seen_at, max(a.last_seen_at) AS last_seen_at, "
        "max(p.segment) AS segment, bool_and(p.consent) AS consent, max(p.country) AS country FROM assigned a "
        "LEFT JOIN profile p ON p.customer_id = a.customer_id WHERE a.customer_id IS NOT NULL "
        "GROUP BY a.customer_id) s"
    )
    # A new segment, country or consent moves all of a customer's rows to another slice of the KPIs.
    differs = " OR ".join(f"c.{name} IS DISTINCT FROM s.{name}" for name in ("segment", "country", "consent"))
    _make(
        connection,
        "moved",
        f"SELECT c.customer_id FROM customer c JOIN {seen} ON s.customer_id = c.customer_id WHERE {differs}",
    )
    for table in tables.CANONICAL.values():
        if "customer_id" in table.columns and table.info["event_time"]:
            rows = sa.select(table).where(table.c.customer_id.in_(_MOVED))
            pending.note_days(connection, table, rows)
    for satellite in _satellites():
        rows = _with_touchpoint(satellite).where(tables.touchpoint.c.customer_id.in_(_MOVED))
        pending.note_days(connection, satellite, rows)
    _run(
        connection,
        "UPDATE customer SET first_seen_at = s.first_seen_at, last_seen_at = s.last_seen_at, "
        f"segment = s.segment, consent = s.consent, country = s.country FROM {seen} "
        "WHERE customer.customer_id = s.customer_id",
    )
    _run(
        connection,
        "INSERT INTO customer (customer_id, merged_into_id, first_seen_at, last_seen_at, segment, consent, country) "
        "SELECT s.customer_id, NULL, s.first_seen_at, s.last_seen_at, s.segment, s.consent, s.country "
        f"FROM {seen} "
        "WHERE NOT EXISTS (SELECT 1 FROM customer c WHERE c.customer_id = s.customer_id)",
    )


def _make(connection: sa.Connection, name: str, sql: str) -> None:
    """Create a temporary table and update its statistics."""
    _run(connection, f"CREATE TEMP TABLE {name} AS {sql}")
    engines.of(connection).analyze(connection, name)


def _run(connection: sa.Connection, sql: str) -> None:
    connection.execute(sa.text(sql))


def _count(connection: sa.Connection, sql: str) -> int:
    return int(connection.scalar(sa.text(sql)) or 0)
