"""Names customers, writes `customer_identity`, and merges customers. Called by `resolve`, after the components.

A customer is named after the identifier seen first: the earliest event, then the namespace and the smallest hash. So
later identifiers join without renaming anyone, and a rebuild from scratch gives the same names.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.identity.graph import SAME
from cxflow.identity.temporary import count, make, run

_NAMED_AFTER = "md5(namespace || '|' || CAST(identity_hash AS VARCHAR))"
"""SQL: the customer that is named after an identifier."""
_COLUMNS = (
    "namespace, identity_hash, identity_value, customer_id, match_rule, confidence, valid_from, valid_to"
)


def name(connection: sa.Connection, largest: int) -> None:
    """Create `assigned`: each identifier with its customer and the rule by which it belongs to it.

    An identifier that is set apart has no customer. Those of a component with more than `largest` identifiers, which
    are listed in `oversized`, keep its name, so that it is found again, but name nobody.
    """
    linked = "node n JOIN component c ON c.node = n.node LEFT JOIN apart a ON a.node = n.node"
    make(
        connection,
        "oversized",
        f"SELECT c.label, count(*) AS identifiers FROM {linked} WHERE a.node IS NULL "
        f"GROUP BY c.label HAVING count(*) > {largest}",
    )
    first_seen = (
        f"SELECT c.label, min(n.first_seen_at) AS first_seen_at FROM {linked} "
        "WHERE a.node IS NULL GROUP BY c.label"
    )
    make(
        connection,
        "named",
        "SELECT c.label, md5(min(n.namespace || '|' || CAST(n.identity_hash AS VARCHAR) COLLATE \"C\")) AS customer_id "
        f"FROM {linked} JOIN ({first_seen}) f ON f.label = c.label AND f.first_seen_at = n.first_seen_at "
        "WHERE a.node IS NULL GROUP BY c.label",
    )
    make(
        connection,
        "assigned",
        "SELECT n.node, n.namespace, n.identity_hash, n.identity_value, n.first_seen_at, n.last_seen_at, "
        "CASE WHEN a.node IS NULL THEN d.customer_id ELSE '' END AS customer_id, "
        "coalesce(a.rule, CASE WHEN o.label IS NOT NULL THEN 'oversized' END, 'exact') AS match_rule "
        f"FROM {linked} LEFT JOIN named d ON d.label = c.label LEFT JOIN oversized o ON o.label = c.label",
    )


def keep_identities(connection: sa.Connection) -> None:
    """Write the rows of `customer_identity` that changed, and close those of identifiers that no record holds any
    more."""
    written = "assigned"
    if count(connection, "SELECT count(*) FROM former"):
        written = "changed"
        make(
            connection,
            written,
            "SELECT a.* FROM assigned a WHERE NOT EXISTS (SELECT 1 FROM former f "
            f"WHERE {SAME.format('f', 'a')} AND f.valid_to IS NULL AND f.customer_id = a.customer_id "
            "AND f.match_rule = a.match_rule AND f.valid_from = a.first_seen_at "
            "AND f.identity_value IS NOT DISTINCT FROM a.identity_value)",
        )
        run(
            connection,
            "DELETE FROM customer_identity WHERE EXISTS (SELECT 1 FROM changed c "
            f"WHERE {SAME.format('c', 'customer_identity')})",
        )
        run(
            connection,
            "UPDATE customer_identity SET valid_to = now(), identity_value = NULL WHERE valid_to IS NULL "
            f"AND EXISTS (SELECT 1 FROM former f WHERE {SAME.format('f', 'customer_identity')} "
            f"AND NOT EXISTS (SELECT 1 FROM node n WHERE {SAME.format('n', 'f')}))",
        )
    run(
        connection,
        f"INSERT INTO customer_identity ({_COLUMNS}) SELECT namespace, identity_hash, identity_value, customer_id, "
        f"match_rule, CASE WHEN match_rule = 'exact' THEN 1 ELSE 0 END, first_seen_at, NULL FROM {written}",
    )


def merge(connection: sa.Connection) -> int:
    """Update which customers were merged into others, and delete those who are nobody any more. Returns the number of
    customers merged into another now."""
    if not count(connection, "SELECT count(*) FROM customer"):
        return 0
    # A customer is named after an identifier, and has become the customer that this identifier belongs to now.
    make(
        connection,
        "owner",
        f"SELECT {_NAMED_AFTER} AS named_after, customer_id FROM assigned WHERE match_rule = 'exact'",
    )
    run(
        connection,
        "UPDATE customer SET merged_into_id = CASE WHEN o.customer_id = o.named_after THEN NULL "
        "ELSE o.customer_id END FROM owner o WHERE customer.customer_id = o.named_after "
        "AND customer.merged_into_id IS DISTINCT FROM nullif(o.customer_id, o.named_after)",
    )
    merged = count(
        connection,
        "SELECT count(DISTINCT f.customer_id) FROM former f JOIN owner o ON o.named_after = f.customer_id "
        "WHERE o.customer_id <> o.named_after AND f.valid_to IS NULL",
    )
    _retire(connection)
    return merged


def _retire(connection: sa.Connection) -> None:
    """Merge customers without identifiers into the one customer who has theirs now; delete them if there is none, or
    more than one."""
    make(
        connection,
        "retired",
        "SELECT f.customer_id, CASE WHEN count(DISTINCT a.customer_id) = 1 THEN min(a.customer_id) END AS successor "
        f"FROM former f LEFT JOIN assigned a ON {SAME.format('a', 'f')} AND a.match_rule = 'exact' "
        "WHERE f.match_rule = 'exact' AND f.valid_to IS NULL "
        # Not `NOT IN`: PostgreSQL would read the list anew for each row once it is long.
        "AND NOT EXISTS (SELECT 1 FROM owner o WHERE o.named_after = f.customer_id) "
        "AND NOT EXISTS (SELECT 1 FROM assigned b WHERE b.customer_id = f.customer_id AND b.match_rule = 'exact') "
        "GROUP BY f.customer_id",
    )
    run(
        connection,
        "UPDATE customer SET merged_into_id = r.successor FROM retired r "
        "WHERE r.customer_id = customer.customer_id AND r.successor IS NOT NULL",
    )
    gone = "(SELECT customer_id FROM retired WHERE successor IS NULL)"
    run(connection, f"DELETE FROM customer WHERE customer_id IN {gone}")
    run(connection, f"DELETE FROM customer WHERE merged_into_id IN {gone}")
