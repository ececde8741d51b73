"""The bundle for Superset: it names what is published, gives the published values, and holds no password."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from analysts_shop import fill
from superset_import import asked_by
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.bi import measures, superset
from cxflow.bi.board import DATASETS, TABS
from cxflow.errors import ConfigError, SchemaError
from cxflow.kpis import catalogue
from cxflow.publish import snapshot
from cxflow.warehouse import transactions

FILES = dict[str, dict[str, Any]]
CHARTS = [chart for tab in TABS for row in tab.rows for chart in row]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    """The invented shop with all its KPIs, published on each database."""
    folder = tmp_path_factory.mktemp("bi") / "project"
    bench = Bench(folder, {}, warehouse=new_warehouse(), kpis={"min_n": 1})
    with transactions.transaction(bench.settings) as connection:
        fill(connection)
    flow.compute_kpis(bench.settings, everything=True)
    flow.publish(bench.settings)
    return bench


@pytest.fixture(scope="session")
def files(shop: Bench) -> FILES:
    return unpacked(superset.of_project(shop.settings, catalogue.of_project(shop.settings)))


def unpacked(bundle: bytes) -> FILES:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def of_kind(files: FILES, kind: str) -> list[dict[str, Any]]:
    return [content for name, content in files.items() if name.startswith(f"cxflow/{kind}/")]


def asked(shop: Bench, sql: str) -> list[Any]:
    """What a BI tool gets: of a database file, from its snapshot."""
    place = snapshot.path(shop.settings)
    if place is None:
        with transactions.reading(shop.settings) as connection:
            return list(connection.exec_driver_sql(sql.replace("%", "%%")))
    engine = sa.create_engine(f"duckdb:///{place}", connect_args={"read_only": True}, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(sql))


def test_every_chart_asks_for_what_its_view_has(shop: Bench, files: FILES) -> None:
    datasets = {each["uuid"]: each for each in of_kind(files, "datasets")}
    charts = of_kind(files, "charts")
    assert len(charts) == len(CHARTS) > 25
    for chart in charts:
        params, dataset = chart["params"], datasets[chart["dataset_uuid"]]
        columns = {each["column_name"] for each in dataset["columns"]}
        expressions = {each["metric_name"]: each["expression"] for each in dataset["metrics"]}
        by, metrics, conditions = asked_by(params)
        assert columns >= set(by), chart["slice_name"]
        selected = ", ".join([*by, *(expressions[name] for name in metrics)])
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        groups = f" GROUP BY {', '.join(by)}" if by and metrics else ""
        asked(shop, f"SELECT {selected} FROM {dataset['table_name']}{where}{groups}")


def test_a_metric_of_days_is_the_published_value(shop: Bench) -> None:
    known = catalogue.of_project(shop.settings)
    metrics = measures.rolled_up(known, shop.settings)
    assert {"nps", "csat", "contact_rate", "revenue", "average_order_value"} <= set(metrics)
    # Neither a quantile nor a share of customers follows from its days.
    assert not {"wait_seconds_p90", "retention_rate", "repeat_purchase_rate"} & set(metrics)
    months: tuple[tuple[str, str], ...] = (
        ("all", "true"),
        ("month", "period_start >= '2026-02-01' AND period_start < '2026-03-01'"),
    )
    compared = 0
    for grain, in_time in months:
        names = ", ".join(f"({sql}) AS {name}" for name, sql in metrics.items())
        [row] = asked(shop, f"SELECT {names} FROM mart_kpi WHERE {in_time}")
        published = dict(
            tuple(each)
            for each in asked(
                shop,
                f"SELECT kpi, value FROM mart_kpi WHERE grain = '{grain}' AND dimension = '' AND "
                f"({'true' if grain == 'all' else in_time}) AND value IS NOT NULL",
            )
        )
        for name, value in row._mapping.items():
            if name in published:
                assert value == pytest.approx(published[name], rel=1e-9), (grain, name)
                compared += 1
    assert compared > 30


def test_an_import_again_replaces_and_another_project_stands_beside(shop: Bench, files: FILES) -> None:
    known = catalogue.of_project(shop.settings)
    once, again = (superset.of_project(shop.settings, known) for _ in range(2))
    assert once == again
    ids = [each["uuid"] for each in files.values() if "uuid" in each]
    assert len(set(ids)) == len(ids) == 2 + len(DATASETS) + len(CHARTS)
    other = shop.settings.model_copy(
        update={"project": shop.settings.project.model_copy(update={"name": "another"})}
    )
    assert not set(ids) & {each.get("uuid") for each in unpacked(superset.of_project(other, known)).values()}


def test_the_dashboard_holds_every_chart_once_and_no_row_is_too_wide(files: FILES) -> None:
    [dashboard] = of_kind(files, "dashboards")
    places = {name: each for name, each in dashboard["position"].items() if isinstance(each, dict)}
    shown = [each["meta"]["uuid"] for each in places.values() if each["type"] == "CHART"]
    assert sorted(shown) == sorted(each["uuid"] for each in of_kind(files, "charts"))
    for each in places.values():
        assert set(each["children"]) <= set(places)
        if each["type"] == "ROW":
            assert sum(places[child]["meta"]["width"] for child in each["children"]) == 12
    tabs = [each["meta"]["text"] for each in places.values() if each["type"] == "TAB"]
    assert sorted(tabs) == ["Journey", "Overview", "Quality", "Service", "Shop"]


def test_no_password_is_in_the_bundle(shop: Bench) -> None:
    settings = shop.settings
    if snapshot.path(settings) is None:
        url = sa.make_url(str(settings.warehouse.url))
        [database] = of_kind(unpacked(superset.of_project(settings, {}, "ada")), "databases")
        uri = sa.make_url(database["sqlalchemy_uri"])
        assert (uri.username, uri.password, uri.database) == ("ada", "X" * 10, url.database)
        assert uri.drivername == "postgresql"
    else:
        [database] = of_kind(unpacked(superset.of_project(settings, {})), "databases")
        place = snapshot.path(settings)
        assert database["sqlalchemy_uri"] == f"duckdb:///{place}?access_mode=read_only"
        with pytest.raises(ConfigError, match="DuckDB has no users"):
            superset.of_project(settings, {}, "ada")
        without = settings.model_copy(
            update={"warehouse": settings.warehouse.model_copy(update={"snapshot": False})}
        )
        with pytest.raises(ConfigError, match="would stop every run"):
            superset.of_project(without, {})


def test_a_view_that_is_not_published_is_named(tmp_path: Path, new_warehouse: NewWarehouse) -> None:
    bench = Bench(tmp_path / "empty", {}, warehouse=new_warehouse())
    with pytest.raises(SchemaError, match="the view mart_customer is not published"):
        superset.of_project(bench.settings, {})


def test_another_major_version_is_refused() -> None:
    superset.require_version(superset.VERSION)
    with pytest.raises(ConfigError, match="for Superset 6, and not for 5"):
        superset.require_version(5)


def test_conditions_quote_what_they_compare_with() -> None:
    assert superset.condition("kpi", "o'brien") == "kpi = 'o''brien'"
    assert superset.condition("kpi", ["a", "b"]) == "kpi IN ('a', 'b')"
    assert superset.condition("is_complete", True) == "is_complete"
    assert superset.condition("is_complete", False) == "NOT is_complete"
