"""A published warehouse with rows in everything, and every KPI that they give."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from trip_bench import Bench

from cxflow import flow
from cxflow.bi import published
from cxflow.bi.published import Published
from cxflow.kpis import calculator, catalogue
from cxflow.publish import snapshot
from cxflow.warehouse import transactions
from cxflow.warehouse.tables import stream_state

sys.path.insert(0, str(Path(__file__).parents[1] / "publish"))

from analysts_shop import fill

DELIVERED = datetime(2026, 5, 2, tzinfo=UTC)
"""Up to when its source has delivered everything: its months are complete."""


@dataclass(frozen=True)
class Shop:
    """The invented shop of the analysts' questions."""

    bench: Bench

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """What a BI tool reads: the snapshot, or the server's views."""
        with snapshot.reading(self.bench.settings) as found:
            if found is not None:
                yield found[0]
                return
        with transactions.reading(self.bench.settings) as connection:
            yield connection

    @contextmanager
    def published(self) -> Iterator[Published]:
        """What the bundle is made from."""
        with self.reading() as connection:
            yield published.read(connection, self.bench.settings)

    def ask(self, sql: str) -> list[Any]:
        """The rows of a query over the views."""
        with self.reading() as connection:
            return list(connection.execute(sa.text(sql)))


def make(folder: Path, warehouse: dict[str, Any]) -> Shop:
    """The shop, loaded, computed and published."""
    chosen = {"min_n": 2, "dimensions": ["channel", "segment"]}
    bench = Bench(folder, {}, warehouse=warehouse, project={"timezone": "Europe/Madrid"}, kpis=chosen)
    with transactions.transaction(bench.settings) as connection:
        fill(connection)
        connection.execute(sa.update(stream_state).values(known_until=DELIVERED))
    with transactions.transaction(bench.settings) as connection:
        every = catalogue.of_project(bench.settings)
        calculator.compute(connection, bench.settings, every, datetime.now(UTC), everything=True)
    flow.publish(bench.settings)
    return Shop(bench)


def close(one: Any, other: Any) -> bool:
    """Whether two values are equal but for the order in which a database adds; two missing ones are."""
    return one is None if other is None else bool(one == pytest.approx(other, rel=1e-9))


def tool(environment: str, program: str) -> Path:
    """A program of one of the environments that `make bi` makes."""
    return Path(os.environ["CXFLOW_BI"]).absolute() / environment / "bin" / program
