"""The part of the identity graph that has to be resolved: identifiers are its nodes, records its edges.

Only pending identifiers, those of their customers, and what a record holds beside them are looked at. Where most of the
graph is pending, all of it is resolved, which needs no search. Called by `resolve`.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.identity.temporary import count, make

SAME = "{0}.namespace = {1}.namespace AND {0}.identity_hash = {1}.identity_hash"
"""SQL: two relations with the same identifier."""
APART = "('shared', 'common')"
"""SQL: the match rules of identifiers that link nobody, as long as the others seen with them are what they are."""


def collect(connection: sa.Connection, *, everything: bool) -> str:
    """Create `node`, the identifiers to resolve that a record still holds, numbered from 0, with when each was first
    and last seen and in how many records; and `former`, what is known of those to resolve so far. Returns the relation
    with their records."""
    make(connection, "pending", "SELECT DISTINCT namespace, identity_hash FROM pending_identity")
    if everything or _is_most(connection):
        make(connection, "former", "SELECT * FROM customer_identity")
        seen = "record_identity"
    else:
        _search(connection)
        seen = "seen"
    make(
        connection,
        "node",
        "SELECT namespace, identity_hash, min(identity_value) AS identity_value, min(seen_at) AS first_seen_at, "
        "max(seen_at) AS last_seen_at, count(*) AS records, CAST(row_number() OVER () - 1 AS BIGINT) AS node "
        f"FROM {seen} GROUP BY namespace, identity_hash",
    )
    return seen


def _is_most(connection: sa.Connection) -> bool:
    """Whether at least half as many identifiers are pending as are known."""
    most = 2 * count(connection, "SELECT count(*) FROM pending")
    some = f"SELECT 1 FROM customer_identity LIMIT {most + 1}"
    return count(connection, f"SELECT count(*) FROM ({some}) k") <= most


def _search(connection: sa.Connection) -> None:
    """Create `affected`, `former` and `seen`."""
    # Others seen with an identifier that linked nobody belong to customers of their own: they may be its customer now.
    make(
        connection,
        "reached",
        "SELECT namespace, identity_hash FROM pending UNION SELECT o.namespace, o.identity_hash FROM "
        "(SELECT k.namespace, k.identity_hash FROM customer_identity k "
        f"JOIN pending p ON {SAME.format('p', 'k')} WHERE k.valid_to IS NULL AND k.match_rule IN {APART}) k "
        f"JOIN record_identity m ON {SAME.format('m', 'k')} "
        "JOIN record_identity o ON o.source_system = m.source_system AND o.source_object = m.source_object "
        "AND o.source_record_id = m.source_record_id",
    )
    make(
        connection,
        "touched",
        f"SELECT DISTINCT k.customer_id FROM customer_identity k JOIN reached r ON {SAME.format('r', 'k')} "
        "WHERE k.valid_to IS NULL AND k.customer_id <> ''",
    )
    make(
        connection,
        "affected",
        "SELECT namespace, identity_hash FROM reached UNION SELECT k.namespace, k.identity_hash "
        "FROM customer_identity k JOIN touched t ON t.customer_id = k.customer_id WHERE k.valid_to IS NULL",
    )
    make(
        connection,
        "former",
        f"SELECT k.* FROM customer_identity k JOIN affected a ON {SAME.format('a', 'k')}",
    )
    make(connection, "seen", f"SELECT r.* FROM record_identity r JOIN affected a ON {SAME.format('a', 'r')}")


def connect(connection: sa.Connection, seen: str) -> None:
    """Create `record`, the records of the relation `seen` with the first and the last of their nodes that link, and how
    many they are; and `link`, pairs of nodes in one record."""
    nodes = f"{seen} s JOIN node n ON {SAME.format('n', 's')} LEFT JOIN apart a ON a.node = n.node"
    linking = "FILTER (WHERE a.node IS NULL)"
    # First and last, not a list: lists of many groups do not fit in little memory.
    make(
        connection,
        "record",
        "SELECT s.source_system, s.source_object, s.source_record_id, "
        f"min(n.node) {linking} AS node, max(n.node) {linking} AS last, count(n.node) {linking} AS nodes "
        f"FROM {nodes} GROUP BY s.source_system, s.source_object, s.source_record_id",
    )
    links = "SELECT DISTINCT node AS a, last AS b FROM record WHERE node < last"
    if count(connection, "SELECT count(*) FROM record WHERE nodes > 2"):
        links += (
            f" UNION ALL SELECT r.node, n.node FROM {nodes} JOIN record r ON r.source_system = s.source_system "
            "AND r.source_object = s.source_object AND r.source_record_id = s.source_record_id "
            "WHERE r.nodes > 2 AND a.node IS NULL AND n.node NOT IN (r.node, r.last)"
        )
    make(connection, "link", links)
