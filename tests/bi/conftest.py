"""The shop that BI reads, on each database."""

from __future__ import annotations

import pytest
from bi_shop import Shop, make
from trip_bench import NewWarehouse


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Shop:
    """It on each database; a value needs two observations."""
    return make(tmp_path_factory.mktemp("bi") / "project", new_warehouse())
