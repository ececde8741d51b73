"""Components of graphs of every shape, compared with scipy's."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
import sqlalchemy as sa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from trip_bench import NewWarehouse

from cxflow.identity import components
from cxflow.settings import Settings, load
from cxflow.warehouse import engines, transactions

Edges = list[tuple[int, int]]
"""Record and node."""


def chain(length: int) -> Edges:
    """Each record shares one node with the next."""
    return [(record, node) for record in range(length) for node in (record, record + 1)]


def star(rays: int) -> Edges:
    return [(record, node) for record in range(rays) for node in (rays, record)]


def grid(side: int) -> Edges:
    across = [
        (row * side + column, row * side + column + 1) for row in range(side) for column in range(side - 1)
    ]
    down = [
        (row * side + column, (row + 1) * side + column) for row in range(side - 1) for column in range(side)
    ]
    return [(record, node) for record, pair in enumerate(across + down) for node in pair]


def shared_numbers(people: int, share: float) -> Edges:
    """Everybody has an address of their own, and some a number that others have, too."""
    chance = random.Random(people)
    numbers = [
        (person, people + chance.randrange(people // 3))
        for person in range(people)
        if chance.random() < share
    ]
    return [(person, person) for person in range(people)] + numbers


GRAPHS: dict[str, Callable[[], Edges]] = {
    "one record": lambda: [(7, 3), (7, 9), (7, 1)],
    "one node": lambda: [(1, 5), (2, 5)],
    "a chain": lambda: chain(3_000),
    "a shuffled chain": lambda: random.Random(1).sample(
        [(r, (n * 7919) % 4001) for r, n in chain(4_000)], 8_000
    ),
    "a star": lambda: star(3_000),
    "a ring": lambda: [*chain(999), (999, 999), (999, 0)],
    "a grid": lambda: grid(50),
    "few shared numbers": lambda: shared_numbers(4_000, 0.05),
    "many shared numbers": lambda: shared_numbers(4_000, 0.6),
    "two that never meet": lambda: [*chain(10), *((r + 100, n + 5_000_000_000) for r, n in chain(10))],
}


@pytest.fixture
def connection(tmp_path: Path, new_database: NewWarehouse) -> Iterator[sa.Connection]:
    (tmp_path / "cxflow.toml").write_text(f'[warehouse]\nurl = "{new_database()["url"]}"\n')
    settings: Settings = load(tmp_path)
    with transactions.transaction(settings) as found:
        yield found


def expected(edges: Edges) -> dict[int, int]:
    """Node to the smallest node of its component."""
    records = {record: place for place, record in enumerate(sorted({record for record, _ in edges}))}
    nodes = sorted({node for _, node in edges})
    places = {node: place for place, node in enumerate(nodes)}
    rows = [records[record] for record, _ in edges]
    columns = [len(records) + places[node] for _, node in edges]
    size = len(records) + len(nodes)
    graph = coo_matrix((np.ones(len(edges)), (rows, columns)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    smallest: dict[int, int] = {}
    for node in nodes:
        smallest.setdefault(int(labels[len(records) + places[node]]), node)
    return {node: smallest[int(labels[len(records) + places[node]])] for node in nodes}


def labelled(connection: sa.Connection, folder: Path, edges: Edges) -> dict[int, int]:
    source = folder / "edges.duckdb"
    with duckdb.connect(str(source)) as database:
        rows = {"record": [record for record, _ in edges], "node": [node for _, node in edges]}
        frame = {name: np.array(values, np.int64) for name, values in rows.items()}
        database.execute(
            "CREATE TABLE edge AS SELECT unnest($1) AS record, unnest($2) AS node", [*frame.values()]
        )
    engines.of(connection).stage(connection, "edge", source, "edge")
    components.label(connection, "edge", "component")
    return {
        int(node): int(label)
        for node, label in connection.exec_driver_sql("SELECT node, label FROM component")
    }


@pytest.mark.parametrize("graph", GRAPHS)
def test_components_are_those_of_scipy(connection: sa.Connection, tmp_path: Path, graph: str) -> None:
    edges = GRAPHS[graph]()
    assert labelled(connection, tmp_path, edges) == expected(edges)


def test_a_very_long_chain_settles(connection: sa.Connection, tmp_path: Path) -> None:
    length = 200_000 if engines.of(connection).single_writer else 20_000
    assert set(labelled(connection, tmp_path, chain(length)).values()) == {0}
