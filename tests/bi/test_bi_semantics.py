"""The semantic models, without their tools: what they refer to is there, and their SQL gives the published values."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from bi_shop import Shop, close

from cxflow.bi import files, metricflow, ossie

PUBLISHED = "SELECT kpi, period_start, dimension, dimension_value, value FROM mart_kpi WHERE grain = 'month'"
CELL = "period_start, dimension, dimension_value"


@pytest.fixture(scope="module")
def document(shop: Shop) -> dict[str, Any]:
    with shop.published() as published:
        found: dict[str, Any] = yaml.safe_load(files.text(ossie.document(published, shop.bench.settings)))
    return found


@pytest.fixture(scope="module")
def project(shop: Shop) -> dict[str, Any]:
    with shop.published() as published:
        return metricflow.project(published, shop.bench.settings)


def values(shop: Shop, where: str = "TRUE") -> dict[tuple[Any, ...], Any]:
    """KPI and cell to its value of a month."""
    return {tuple(cell): value for *cell, value in shop.ask(f"{PUBLISHED} AND {where}")}


def test_ossie_has_every_mart_with_its_columns(shop: Shop, document: dict[str, Any]) -> None:
    assert document["version"] == "0.2.0.dev0"
    for dataset in document["datasets"]:
        assert dataset["description"]
        columns = ", ".join(field["expression"]["dialects"][0]["expression"] for field in dataset["fields"])
        shop.ask(f"SELECT {columns} FROM {dataset['source']} LIMIT 1")
    assert len(document["datasets"]) == 26


def test_ossie_joins_by_keys_that_are_keys(shop: Shop, document: dict[str, Any]) -> None:
    keys = {each["name"]: each["primary_key"] for each in document["datasets"] if "primary_key" in each}
    for name, key in keys.items():
        columns = ", ".join(key)
        assert shop.ask(f"SELECT {columns} FROM {name} GROUP BY {columns} HAVING count(*) > 1") == [], name
    joined = 0
    for each in document["relationships"]:
        assert each["to_columns"] == keys[each["to"]]
        (column,) = each["from_columns"]
        joined += len(shop.ask(f"SELECT 1 FROM {each['from']} JOIN {each['to']} USING ({column}) LIMIT 1"))
    assert joined > 20


def test_the_metrics_of_ossie_give_the_published_values(shop: Shop, document: dict[str, Any]) -> None:
    known = values(shop)
    names = [each["name"] for each in document["metrics"]]
    assert {"nps", "first_reply_minutes"} <= set(names)
    computed = ", ".join(each["expression"]["dialects"][0]["expression"] for each in document["metrics"])
    for row in shop.ask(f"SELECT {CELL}, {computed} FROM mart_kpi WHERE grain = 'month' GROUP BY {CELL}"):
        for name, value in zip(names, row[3:], strict=True):
            assert close(value, known.get((name, *row[:3]))), (name, *row[:3])


def test_the_metrics_of_metricflow_give_the_published_values(shop: Shop, project: dict[str, Any]) -> None:
    known, kpis = values(shop, "is_complete"), project["models/kpis.yml"]
    (model,) = kpis["semantic_models"]
    sums = ", ".join(f"{each['agg']}({each['expr']}) AS {each['name']}" for each in model["measures"])
    derived = [each for each in kpis["metrics"] if each["type"] == "derived"]
    whole = {each["name"]: each["type_params"]["expr"] for each in derived if each["filter"].endswith("= ''")}
    assert "nps" in whole
    assert "first_reply_minutes" not in whole, "its months do not add up"
    months = f"SELECT {CELL}, {sums} FROM mart_kpi WHERE grain = 'month' AND is_complete GROUP BY {CELL}"
    compared = 0
    for row in shop.ask(f"SELECT {CELL}, {', '.join(whole.values())} FROM ({months}) AS months"):
        for name, value in zip(whole, row[3:], strict=True):
            assert close(value, known.get((name, *row[:3]))), (name, *row[:3])
            compared += value is not None
    assert compared > 50


def test_metricflow_slices_a_kpi_by_its_dimensions_alone(project: dict[str, Any]) -> None:
    metrics = {each["name"]: each for each in project["models/kpis.yml"]["metrics"]}
    assert metrics["nps_by_segment"]["filter"] == "{{ Dimension('kpi_value__dimension') }} = 'segment'"
    assert metrics["nps"]["filter"] == "{{ Dimension('kpi_value__dimension') }} = ''"
    assert "contact_rate_by_channel" not in metrics, "orders have no channel of contact"
    assert "dbt_project.yml" in project
    assert "password" not in "".join(map(files.text, project.values()))
