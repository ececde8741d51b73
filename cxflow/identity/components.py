"""Connected components of the identity graph. Called by `resolve`.

In memory, by scipy, while the graph fits; else by the database. There, each round hooks every root to its smallest
neighbour, compresses the resulting trees to stars, and contracts the graph to their roots. That takes O(log² n) rounds
for any graph, however long its chains (Liu and Tarjan, "Simple Concurrent Labeling Algorithms for Connected
Components", 2019). Nodes are numbered in scattered order, so that the trees of a long chain stay shallow.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow import duck
from cxflow.errors import FatalError
from cxflow.identity.temporary import count
from cxflow.warehouse import engines

_BYTES_PER_LINK, _BYTES_PER_NODE = 64, 40
"""What scipy and the arrays around it take, generously."""
_MAX_ROUNDS = 2_000
"""Far more than log² of any number of identifiers: a guard against a defect."""
_SPREAD = "(CAST({} AS BIGINT) * 6180339) % 1099511627776"
"""SQL that scatters whole numbers below 2^40: an odd factor modulo a power of two maps them one to one."""


def label(connection: sa.Connection, nodes: str, links: str, target: str) -> None:
    """Create the temporary table `target` (`node`, `label`): nodes with the same label are one component.

    `nodes` is a table with a column `node`, the whole numbers from 0; `links` one of pairs of them (`a`, `b`).
    """
    size = count(connection, f"SELECT count(*) FROM {nodes}")
    edges = count(connection, f"SELECT count(*) FROM {links}")
    if size * _BYTES_PER_NODE + edges * _BYTES_PER_LINK <= duck.memory_bytes() // 2:
        in_memory(connection, size, links, target)
    else:
        in_database(connection, nodes, links, target)


def in_memory(connection: sa.Connection, size: int, links: str, target: str) -> None:
    """`label` by scipy."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    engine = engines.of(connection)
    a, b = engine.numbers(connection, f"SELECT a, b FROM {links}", 2)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    engine.stage_numbers(connection, target, {"node": np.arange(size), "label": labels.astype(np.int64)})


def in_database(connection: sa.Connection, nodes: str, links: str, target: str) -> None:
    """`label` by the database."""
    _create(
        connection,
        f"{target}_root",
        f"SELECT node, {_SPREAD.format('node')} AS root FROM {nodes}",
    )
    _create(
        connection,
        f"{target}_link",
        f"SELECT DISTINCT {_SPREAD.format('a')} AS a, {_SPREAD.format('b')} AS b FROM {links} WHERE a <> b",
    )
    for _ in range(_MAX_ROUNDS):
        if not count(connection, f"SELECT count(*) FROM {target}_link"):
            break
        _hook(connection, target)
        _contract(connection, target)
    else:
        raise FatalError("the components of the identity graph did not settle")
    _create(
        connection,
        target,
        f"SELECT r.node, c.label FROM {target}_root r JOIN "
        f"(SELECT root, min(node) AS label FROM {target}_root GROUP BY root) c ON c.root = r.root",
    )
    _drop(connection, f"{target}_root", f"{target}_link")


def _hook(connection: sa.Connection, target: str) -> None:
    """Fill `hook`: every root with a smaller neighbour, and the root of the tree that it then belongs to."""
    _create(
        connection,
        f"{target}_hook",
        "SELECT child, min(parent) AS parent FROM "
        f"(SELECT greatest(a, b) AS child, least(a, b) AS parent FROM {target}_link) l GROUP BY child",
    )
    for _ in range(_MAX_ROUNDS):
        jumps = f"{target}_hook h JOIN {target}_hook g ON g.child = h.parent"
        if not count(connection, f"SELECT count(*) FROM {jumps}"):
            return
        _replace(
            connection,
            f"{target}_hook",
            "SELECT h.child, coalesce(g.parent, h.parent) AS parent "
            f"FROM {target}_hook h LEFT JOIN {target}_hook g ON g.child = h.parent",
        )
    raise FatalError("the trees of the identity graph did not settle")


def _contract(connection: sa.Connection, target: str) -> None:
    """Give every node the root of its tree, and leave the links between different trees."""
    _replace(
        connection,
        f"{target}_root",
        f"SELECT r.node, coalesce(h.parent, r.root) AS root FROM {target}_root r "
        f"LEFT JOIN {target}_hook h ON h.child = r.root",
    )
    _replace(
        connection,
        f"{target}_link",
        "SELECT DISTINCT a, b FROM (SELECT coalesce(g.parent, l.a) AS a, coalesce(h.parent, l.b) AS b "
        f"FROM {target}_link l LEFT JOIN {target}_hook g ON g.child = l.a "
        f"LEFT JOIN {target}_hook h ON h.child = l.b) m WHERE a <> b",
    )
    _drop(connection, f"{target}_hook")


def _create(connection: sa.Connection, table: str, query: str) -> None:
    connection.execute(sa.text(f"CREATE TEMP TABLE {table} AS {query}"))
    engines.of(connection).analyze(connection, table)


def _replace(connection: sa.Connection, table: str, query: str) -> None:
    """Create a table anew from its old content."""
    _create(connection, f"{table}_next", query)
    _drop(connection, table)
    connection.execute(sa.text(f"ALTER TABLE {table}_next RENAME TO {table}"))


def _drop(connection: sa.Connection, *tables: str) -> None:
    for table in tables:
        connection.execute(sa.text(f"DROP TABLE {table}"))
