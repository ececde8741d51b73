"""The built-in KPIs come in by the hook, and what comes in is checked."""

from __future__ import annotations

from dataclasses import dataclass

import pluggy
import pytest

from cxflow import hookspecs
from cxflow.connect import registry
from cxflow.errors import ConfigError
from cxflow.kpis import builtin
from cxflow.kpis.facts import fact
from cxflow.kpis.kpi import checked
from cxflow.warehouse.tables import CANONICAL, signal, touchpoint


def test_the_registry_finds_the_built_in_kpis() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(builtin)
    found = checked(registry.kpis(manager))
    assert sorted(found) == list(found)
    assert found["nps"].unit == "points"


def test_what_is_not_a_kpi_is_refused_by_name() -> None:
    @dataclass
    class Other:
        name: str = "odd"
        title: str = "Odd"

    with pytest.raises(ConfigError, match="'odd' is a Other"):
        checked({"odd": Other()})


@pytest.mark.parametrize("name", ["order_line", "refund", "opportunity", "product", "customer_profile"])
def test_a_table_without_touchpoint_is_no_fact(name: str) -> None:
    with pytest.raises(ConfigError, match=f"the rows of {name} are not events") as refused:
        fact(CANONICAL[name])
    assert "the rows they belong to" in (refused.value.fix or "")


def test_a_fact_of_rows_without_a_time_is_told_one() -> None:
    with pytest.raises(ConfigError, match="the rows of signal have no time"):
        fact(signal)
    assert "signal" in fact(signal, at=touchpoint.c.occurred_at).reach
