"""Components of graphs of every shape, in memory and in the database, compared with each other and with scipy."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from trip_bench import NewWarehouse

from cxflow import duck
from cxflow.identity import components
from cxflow.settings import Settings, load
from cxflow.warehouse import engines, transactions

Links = tuple[int, list[tuple[int, int]]]
"""The number of nodes, and pairs of them."""


def chain(length: int) -> Links:
    return length, [(node, node + 1) for node in range(length - 1)]


def shuffled(graph: Links) -> Links:
    size, links = graph
    chance = random.Random(size)
    names = chance.sample(range(size), size)
    return size, chance.sample([(names[a], names[b]) for a, b in links], len(links))


def star(rays: int) -> Links:
    return rays + 1, [(rays, ray) for ray in range(rays)]


def grid(side: int) -> Links:
    across = [
        (row * side + column, row * side + column + 1) for row in range(side) for column in range(side - 1)
    ]
    down = [
        (row * side + column, (row + 1) * side + column) for row in range(side - 1) for column in range(side)
    ]
    return side * side, across + down


def shared_numbers(people: int, share: float) -> Links:
    """Everybody has an address of their own, and some a number that others have, too."""
    chance = random.Random(people)
    links = [
        (person, people + chance.randrange(people // 3))
        for person in range(people)
        if chance.random() < share
    ]
    return people + people // 3, links


GRAPHS: dict[str, Callable[[], Links]] = {
    "one node": lambda: (1, []),
    "no link": lambda: (5, []),
    "a link of a node to itself": lambda: (2, [(1, 1)]),
    "a pair twice, and turned round": lambda: (3, [(0, 2), (0, 2), (2, 0)]),
    "a chain": lambda: chain(3_000),
    "a shuffled chain": lambda: shuffled(chain(4_000)),
    "a star": lambda: star(3_000),
    "a ring": lambda: (1_000, [*chain(1_000)[1], (999, 0)]),
    "a grid": lambda: shuffled(grid(50)),
    "few shared numbers": lambda: shared_numbers(4_000, 0.05),
    "some shared numbers": lambda: shared_numbers(4_000, 0.3),
    "many shared numbers": lambda: shared_numbers(4_000, 0.6),
}


@pytest.fixture
def connection(tmp_path: Path, new_database: NewWarehouse) -> Iterator[sa.Connection]:
    (tmp_path / "cxflow.toml").write_text(f'[warehouse]\nurl = "{new_database()["url"]}"\n')
    settings: Settings = load(tmp_path)
    with transactions.transaction(settings) as found:
        yield found


def groups(size: int, labels: list[int]) -> set[frozenset[int]]:
    found: dict[int, list[int]] = {}
    for node in range(size):
        found.setdefault(labels[node], []).append(node)
    return {frozenset(nodes) for nodes in found.values()}


def expected(graph: Links) -> set[frozenset[int]]:
    size, links = graph
    a, b = np.array(links, np.int64).reshape(len(links), 2).T
    matrix = coo_array((np.ones(len(links)), (a, b)), shape=(size, size))
    return groups(size, connected_components(matrix, directed=False)[1].tolist())


def stage(connection: sa.Connection, graph: Links) -> None:
    size, links = graph
    a, b = np.array(links, np.int64).reshape(len(links), 2).T
    engine = engines.of(connection)
    engine.stage_numbers(connection, "node", {"node": np.arange(size)})
    engine.stage_numbers(connection, "link", {"a": a.copy(), "b": b.copy()})


def labelled(connection: sa.Connection, target: str) -> dict[int, int]:
    return {
        int(node): int(label)
        for node, label in connection.exec_driver_sql(f"SELECT node, label FROM {target}")
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_components_are_those_of_scipy(connection: sa.Connection, name: str) -> None:
    graph = GRAPHS[name]()
    size = graph[0]
    stage(connection, graph)
    components.in_memory(connection, size, "link", "inside")
    components.in_database(connection, "node", "link", "outside")
    for target in ("inside", "outside"):
        labels = labelled(connection, target)
        assert len(labels) == size
        assert groups(size, [labels[node] for node in range(size)]) == expected(graph), target


def test_a_very_long_chain_settles_in_the_database(connection: sa.Connection) -> None:
    length = 200_000 if engines.of(connection).single_writer else 20_000
    stage(connection, chain(length))
    components.in_database(connection, "node", "link", "component")
    assert len(set(labelled(connection, "component").values())) == 1


def test_a_chain_of_a_million_settles_in_memory(connection: sa.Connection) -> None:
    stage(connection, chain(1_000_000))
    components.in_memory(connection, 1_000_000, "link", "component")
    assert connection.exec_driver_sql("SELECT count(DISTINCT label), count(*) FROM component").one() == (
        1,
        1_000_000,
    )


def test_a_graph_that_does_not_fit_is_left_to_the_database(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(connection, chain(1_000))
    monkeypatch.setattr(components, "in_memory", None)
    monkeypatch.setattr(duck, "memory_bytes", lambda: 100_000)
    components.label(connection, "node", "link", "component")
    assert len(set(labelled(connection, "component").values())) == 1
