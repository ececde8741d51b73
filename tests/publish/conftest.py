"""The shop that analysts ask about, published on each database."""

from __future__ import annotations

import pytest
from analysts_shop import compute, fill
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.warehouse import transactions


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    """Its KPIs are computed from one observation on, and its views are published."""
    folder = tmp_path_factory.mktemp("shop") / "project"
    bench = Bench(
        folder, {}, warehouse=new_warehouse(), project={"timezone": "Europe/Madrid"}, kpis={"min_n": 1}
    )
    with transactions.transaction(bench.settings) as connection:
        fill(connection)
    compute(bench.settings)
    flow.publish(bench.settings)
    return bench
