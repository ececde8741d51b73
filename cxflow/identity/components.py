"""Connected components of the identity graph, computed by the database. Called by `resolve`.

Records are the edges: all identifiers seen in one record name one person. Labels spread from identifier to record to
identifier, and pointer jumping settles even a long chain in a few rounds.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.errors import FatalError

_MAX_ROUNDS = 64
"""Labels at least double their reach in each round: enough for a chain of 2^64 identifiers."""


def label(connection: sa.Connection, edges: str, target: str) -> None:
    """Fill the temporary table `target` (`node`, `label`): `label` is the smallest node of the component.

    `edges` is a table of (`record`, `node`); nodes are integers.
    """
    _run(
        connection,
        f"CREATE TEMP TABLE {target} AS SELECT node, min(node) AS label FROM {edges} GROUP BY node",
    )
    for _ in range(_MAX_ROUNDS):
        _run(
            connection,
            f"CREATE TEMP TABLE {target}_next AS SELECT e.node, min(least(r.label, l.label)) AS label "
            f"FROM {edges} e JOIN {target} l ON l.node = e.node JOIN "
            f"(SELECT e.record, min(l.label) AS label FROM {edges} e JOIN {target} l ON l.node = e.node "
            "GROUP BY e.record) r ON r.record = e.record GROUP BY e.node",
        )
        _run(
            connection,
            f"CREATE TEMP TABLE {target}_jumped AS SELECT n.node, least(n.label, j.label) AS label "
            f"FROM {target}_next n JOIN {target}_next j ON j.node = n.label",
        )
        changed = connection.scalar(
            sa.text(
                f"SELECT count(*) FROM {target} l JOIN {target}_jumped j ON j.node = l.node WHERE j.label <> l.label"
            )
        )
        _run(connection, f"DROP TABLE {target}")
        _run(connection, f"DROP TABLE {target}_next")
        _run(connection, f"ALTER TABLE {target}_jumped RENAME TO {target}")
        if not changed:
            return
    raise FatalError("the components of the identity graph did not settle")


def _run(connection: sa.Connection, sql: str) -> None:
    connection.execute(sa.text(sql))
