"""Identifiers that link nobody. Called by `resolve`, before the components.

Three rules, none of which depends on the order of loads:

- `weak`: its namespace is declared weak. It links only together with a second weak one, as the pair that `conform`
  makes of them.
- `shared`: it was seen beside more than `identity.max_identifiers` e-mail addresses, or telephone numbers, or other ids
  of one namespace that were seen beside another of its kind, too. The fiftieth order of a good customer does not count:
  it was seen beside nobody else.
- `common`: more than `identity.max_share` of the records of a stream that have its namespace have this one: a
  switchboard, a shared mailbox, a number that stands for none. Judged from `MIN_RECORDS` on.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.duck import literal
from cxflow.identity.graph import SAME
from cxflow.identity.temporary import count, make, run
from cxflow.settings import Identity

MIN_RECORDS = 1_000
"""Of fewer records with a namespace, the share of one value says little."""
PERSONAL = ("email", "phone")
"""Namespaces whose values name a person, rather than something that a person did."""


def recheck(connection: sa.Connection, settings: Identity) -> None:
    """Make identifiers pending that are common but would not be now: the stream has grown since."""
    if not count(connection, "SELECT count(*) FROM customer_identity WHERE match_rule = 'common'"):
        return
    known = "(SELECT namespace, identity_hash FROM customer_identity WHERE match_rule = 'common')"
    run(
        connection,
        f"INSERT INTO pending_identity (namespace, identity_hash) SELECT namespace, identity_hash FROM {known} k "
        f"EXCEPT SELECT namespace, identity_hash FROM ({_common(known, settings.max_share)}) c",
    )


def set_apart(connection: sa.Connection, settings: Identity) -> None:
    """Create `apart`: `node` and `rule` of the identifiers that link nobody."""
    weak = " OR ".join(["false", *(f"namespace = {literal(name)}" for name in settings.weak)])
    rules = [f"SELECT node, 'weak' AS rule FROM node WHERE {weak}"]
    # Only what is in so many records can be shared or common, and hardly anything is.
    for rule, least, query in (
        ("common", MIN_RECORDS * settings.max_share, _common("candidate", settings.max_share)),
        ("shared", settings.max_identifiers, _shared("candidate", settings.max_identifiers)),
    ):
        candidates = f"SELECT namespace, identity_hash FROM node WHERE records > {least}"
        if count(connection, f"SELECT count(*) FROM ({candidates}) c"):
            rules.append(
                f"SELECT n.node, '{rule}' AS rule FROM (WITH candidate AS ({candidates}) {query}) s "
                f"JOIN node n ON {SAME.format('n', 's')}"
            )
    make(
        connection,
        "apart",
        f"SELECT node, min(rule) AS rule FROM ({' UNION ALL '.join(rules)}) r GROUP BY node",
    )


def _common(identifiers: str, share: float) -> str:
    """SQL for those of the `identifiers` that are in too large a share of a stream's records."""
    stream = "source_system, source_object, namespace"
    return (
        "SELECT DISTINCT h.namespace, h.identity_hash FROM "
        "(SELECT r.source_system, r.source_object, r.namespace, r.identity_hash, count(*) AS records "
        f"FROM record_identity r JOIN {identifiers} i ON {SAME.format('i', 'r')} "
        "GROUP BY r.source_system, r.source_object, r.namespace, r.identity_hash) h "
        f"JOIN (SELECT {stream}, count(*) AS records FROM record_identity GROUP BY {stream}) t "
        "ON t.source_system = h.source_system AND t.source_object = h.source_object AND t.namespace = h.namespace "
        f"WHERE t.records >= {MIN_RECORDS} AND h.records > {share} * t.records"
    )


def _shared(identifiers: str, limit: int) -> str:
    """SQL for those of the `identifiers` that are seen beside more than `limit` others of one namespace that count."""
    same_record = (
        "{0}.source_system = {1}.source_system AND {0}.source_object = {1}.source_object "
        "AND {0}.source_record_id = {1}.source_record_id"
    )
    beside = (
        "SELECT DISTINCT m.namespace, m.identity_hash, o.namespace AS other_namespace, o.identity_hash AS other "
        f"FROM {identifiers} i JOIN record_identity m ON {SAME.format('m', 'i')} "
        f"JOIN record_identity o ON {same_record.format('o', 'm')} "
        "AND (o.namespace <> m.namespace OR o.identity_hash <> m.identity_hash)"
    )
    personal = ", ".join(f"'{name}'" for name in PERSONAL)
    beside_another = (
        f"EXISTS (SELECT 1 FROM record_identity x JOIN record_identity y ON {same_record.format('y', 'x')} "
        "WHERE x.namespace = b.other_namespace AND x.identity_hash = b.other "
        "AND y.namespace = b.namespace AND y.identity_hash <> b.identity_hash)"
    )
    crowded = (
        f"SELECT namespace, identity_hash, other_namespace FROM ({beside}) b "
        f"GROUP BY namespace, identity_hash, other_namespace HAVING count(*) > {limit}"
    )
    return (
        f"SELECT DISTINCT namespace, identity_hash FROM (SELECT b.namespace, b.identity_hash, b.other_namespace "
        f"FROM ({beside}) b JOIN ({crowded}) c ON {SAME.format('c', 'b')} AND c.other_namespace = b.other_namespace "
        f"WHERE b.other_namespace IN ({personal}) OR {beside_another} "
        f"GROUP BY b.namespace, b.identity_hash, b.other_namespace HAVING count(*) > {limit}) s"
    )
