"""The bundle for Superset, without Superset: what its import requires, and that every query runs over the views."""

from __future__ import annotations

import json
import re
import stat
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from bi_shop import Shop
from trip_bench import Bench

from cxflow import flow
from cxflow.bi import files
from cxflow.bi.superset import identity
from cxflow.bi.superset.bundle import bundle
from cxflow.bi.superset.connection import database
from cxflow.bi.wording import Wording
from cxflow.errors import ConfigError, SchemaError
from cxflow.kpis.declared import KPIS
from cxflow.settings import Settings
from cxflow.warehouse import transactions

REQUIRED = {
    "databases": {"database_name", "sqlalchemy_uri", "uuid", "version"},
    "datasets": {"table_name", "uuid", "version", "database_uuid"},
    "charts": {"slice_name", "viz_type", "params", "uuid", "version", "dataset_uuid"},
    "dashboards": {"dashboard_title", "position", "metadata", "uuid", "version"},
}
"""What the import schemas of Superset 6.1 require, and what its dashboards need."""


@pytest.fixture(scope="session")
def made(shop: Shop) -> dict[str, dict[str, Any]]:
    """The files, as whoever reads the YAML finds them."""
    with shop.published() as published:
        found = bundle(published, shop.bench.settings, Wording("en"))
    return {path: yaml.safe_load(files.text(content)) for path, content in found.items()}


def of(made: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {path: content for path, content in made.items() if path.startswith(f"{kind}/")}


def test_it_says_what_the_import_requires(made: dict[str, dict[str, Any]]) -> None:
    assert made["metadata.yaml"] == {"version": "1.0.0"}, "no type: dashboards and assets both take it"
    for kind, names in REQUIRED.items():
        for path, content in of(made, kind).items():
            assert names <= set(content), path
            assert content["version"] == "1.0.0"
            assert str(uuid.UUID(content["uuid"])) == content["uuid"]
    numbers = [content["uuid"] for path, content in made.items() if path != "metadata.yaml"]
    assert len(numbers) == len(set(numbers))


def test_whatever_it_refers_to_is_in_it(made: dict[str, dict[str, Any]]) -> None:
    known = {kind: {each["uuid"] for each in of(made, kind).values()} for kind in REQUIRED}
    assert {each["database_uuid"] for each in of(made, "datasets").values()} == known["databases"]
    assert {each["dataset_uuid"] for each in of(made, "charts").values()} <= known["datasets"]
    position = made["dashboards/cxflow.yaml"]["position"]
    placed = {each["meta"]["uuid"] for each in position.values() if each != "v2" and each["type"] == "CHART"}
    assert placed == known["charts"]
    for name, each in position.items():
        for child in each["children"] if isinstance(each, dict) and "children" in each else ():
            assert position[child]["parents"] == [*each.get("parents", []), name], child


def test_it_has_five_tabs_whose_rows_fill_the_grid(made: dict[str, dict[str, Any]]) -> None:
    position = made["dashboards/cxflow.yaml"]["position"]
    tabs = [position[name] for name in position["TABS-cxflow"]["children"]]
    assert [tab["meta"]["text"] for tab in tabs] == ["Overview", "Journey", "Service", "Shop", "Data quality"]
    for tab in tabs:
        assert tab["children"], tab
        for row in tab["children"]:
            assert sum(position[each]["meta"]["width"] for each in position[row]["children"]) == 12, row


def test_the_datasets_have_the_columns_of_the_views_with_their_descriptions(
    shop: Shop, made: dict[str, dict[str, Any]]
) -> None:
    columns = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    )
    live: dict[str, set[str]] = {}
    for view, column in shop.ask(columns):
        live.setdefault(view, set()).add(column)
    for path, dataset in of(made, "datasets").items():
        if dataset["sql"] is None:
            given = {each["column_name"] for each in dataset["columns"] if "expression" not in each}
            assert given == live[dataset["table_name"]], path
        assert all(each["description"] for each in dataset["columns"]), path
        names = {each["column_name"]: each for each in dataset["columns"]}
        assert dataset["main_dttm_col"] is None or names[dataset["main_dttm_col"]]["is_dttm"]
    kpi = of(made, "datasets")["datasets/mart_kpi.yaml"]
    nps = next(each for each in kpi["metrics"] if each["metric_name"] == "nps")
    assert (nps["verbose_name"], nps["d3format"]) == ("Net Promoter Score", ",.1f")
    rate = next(each for each in kpi["metrics"] if each["metric_name"] == "on_time_delivery_rate")
    assert rate["d3format"] == ",.1%"


def test_every_chart_of_the_bundle_has_an_answer_from_the_views(
    shop: Shop, made: dict[str, dict[str, Any]]
) -> None:
    datasets = {each["uuid"]: each for each in of(made, "datasets").values()}
    empty = []
    for path, chart in of(made, "charts").items():
        assert chart["viz_type"] == chart["params"]["viz_type"]
        if not shop.ask(query(chart["params"], datasets[chart["dataset_uuid"]])):
            empty.append(path)
    # The newest month of a slice may be suppressed.
    assert [path for path in empty if "/slices-" not in path] == []


def query(params: dict[str, Any], dataset: dict[str, Any]) -> str:
    """A chart's query, as Superset would write it; a column or metric that the dataset has not raises KeyError."""
    columns = {
        each["column_name"]: each.get("expression", f'"{each["column_name"]}"') for each in dataset["columns"]
    }
    metrics = {each["metric_name"]: each["expression"] for each in dataset["metrics"]}
    groups = params.get("groupby", [])
    asked = [params[name] for name in ("x_axis",) if name in params]
    asked += groups + params.get("all_columns", [])
    wanted = params.get("metrics", []) + ([params["metric"]] if "metric" in params else [])
    for sort in (params.get("x_axis_sort"), params.get("timeseries_limit_metric")):
        assert sort is None or sort in wanted
    for each in params.get("order_by_cols", []):
        assert json.loads(each)[0] in columns
    where = [condition(each, columns) for each in params["adhoc_filters"]]
    selected = ", ".join([*(columns[name] for name in asked), *(metrics[name] for name in wanted)])
    source = (
        f"({dataset['sql']}) AS virtual" if dataset["sql"] else f"{dataset['schema']}.{dataset['table_name']}"
    )
    grouped = f" GROUP BY {', '.join(columns[name] for name in asked)}" if wanted else ""
    return f"SELECT {selected} FROM {source} WHERE {' AND '.join(where) or 'TRUE'}{grouped}"


def condition(of: dict[str, Any], columns: dict[str, str]) -> str:
    column, value = columns[of["subject"]], of["comparator"]
    match of["operator"]:
        case "TEMPORAL_RANGE":
            return "TRUE"
        case "IS NOT NULL":
            return f"{column} IS NOT NULL"
        case "IN":
            return f"{column} IN ({', '.join(map(written, value))})"
        case operator:
            return f"{column} {'=' if operator == '==' else operator} {written(value)}"


def written(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).upper()


def test_open_periods_are_in_no_chart_but_their_own(made: dict[str, dict[str, Any]]) -> None:
    datasets = {each["uuid"]: each["table_name"] for each in of(made, "datasets").values()}
    for path, chart in of(made, "charts").items():
        if datasets[chart["dataset_uuid"]] == "mart_kpi" and path != "charts/rows-open.yaml":
            asked = {each["subject"]: each["comparator"] for each in chart["params"]["adhoc_filters"]}
            assert asked["is_complete"] is True, path
            assert asked["dimension"] == "", path


def test_the_same_warehouse_gives_the_same_bytes(shop: Shop, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with shop.published() as published:
            files.write(bundle(published, shop.bench.settings, Wording("en")), tmp_path / name / "bundle.zip")
    one, two = (tmp_path / name / "bundle.zip" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    with zipfile.ZipFile(one) as archive:
        assert {Path(name).parts[0] for name in archive.namelist()} == {"bundle"}, (
            "Superset strips one folder"
        )


def test_another_project_has_other_objects() -> None:
    ids = {
        identity.identifier(project, kind, "nps") for project in ("a", "b") for kind in ("chart", "dataset")
    }
    assert len(ids) == 4


def test_in_spanish_it_has_the_spanish_titles(shop: Shop) -> None:
    with shop.published() as published:
        found = bundle(published, shop.bench.settings, Wording("es"))
        english = bundle(published, shop.bench.settings, Wording("en"))
    assert found["charts/number-return_rate.yaml"]["slice_name"] == "Tasa de devolución"
    metrics = {
        metric["metric_name"]: metric["description"]
        for dataset in of(found, "datasets").values()
        for metric in dataset["metrics"]
    }
    kpis = [kpi for kpi in KPIS if kpi.name in metrics]
    assert kpis
    for kpi in kpis:
        assert metrics[kpi.name] == f"{kpi.description_es} [{kpi.formula_es}]"
    titles = {path: each["slice_name"] for path, each in of(found, "charts").items()}
    alike = [path for path, title in titles.items() if title == english[path]["slice_name"]]
    assert alike in ([], ["charts/number-nps.yaml"])


def test_what_has_no_data_is_left_out(shop: Shop, made: dict[str, dict[str, Any]]) -> None:
    assert "charts/totals-quarantine.yaml" in made
    assert not any("win_rate" in path for path in of(made, "charts"))
    assert shop.ask("SELECT count(reason) FROM mart_refund")[0][0] == 0
    assert "charts/by-mart_refund-reason.yaml" not in made


def test_views_that_are_not_of_this_version_are_refused(tmp_path: Path) -> None:
    shop = Shop(
        Bench(tmp_path / "project", {}, warehouse={"url": "duckdb:///shop.duckdb", "snapshot": False})
    )
    flow.publish(shop.bench.settings)
    with transactions.transaction(shop.bench.settings) as connection:
        connection.exec_driver_sql("CREATE OR REPLACE VIEW mart_refund AS SELECT 1 AS refund_id")
    with pytest.raises(SchemaError, match=r"view mart_refund .*run `cxflow publish`"), shop.published():
        pass


def test_a_password_is_in_no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://ada:canary@db.example.org/cx?sslmode=require&sslpassword=canary&options=-csearch_path%3Dcx"
    monkeypatch.setenv("CX_URL", url)
    settings = Settings.model_validate({"warehouse": {"url": {"env": "CX_URL"}}})
    uri = database(settings, None)["sqlalchemy_uri"]
    assert uri == "postgresql://ada:XXXXXXXXXX@db.example.org/cx?options=-csearch_path%3Dcx&sslmode=require"
    monkeypatch.setenv("CX_PASSWORD", "canary")
    of_team = {"url": "postgresql://ada@db/cx", "password": {"env": "CX_PASSWORD"}}
    assert "canary" not in str(database(Settings.model_validate({"warehouse": of_team}), None))


@pytest.mark.parametrize(
    "uri", ["postgresql://ada:canary@db/cx", "postgresql://ada@db/cx?sslpassword=canary"]
)
def test_a_uri_with_a_password_is_refused_and_not_quoted(uri: str) -> None:
    with pytest.raises(ConfigError, match="--uri holds a password") as refused:
        database(Settings.model_validate({}), uri)
    assert "canary" not in str(refused.value)


def test_a_uri_of_the_reader_is_taken() -> None:
    settings = Settings.model_validate({})
    given = {
        "postgresql://ada@db.example.org/cx": "postgresql://ada:XXXXXXXXXX@db.example.org/cx",
        "duckdb:////bi/shop.marts.duckdb?access_mode=read_only": "duckdb:////bi/shop.marts.duckdb?access_mode=read_only",
    }
    for uri, written in given.items():
        assert database(settings, uri)["sqlalchemy_uri"] == written
    with pytest.raises(ConfigError, match="--uri is not a database URI"):
        database(settings, "db.example.org")


def test_the_file_that_runs_write_to_is_given_to_nobody() -> None:
    settings = Settings.model_validate({"warehouse": {"snapshot": False}})
    with pytest.raises(ConfigError, match=r"make runs wait.*warehouse\.snapshot"):
        database(settings, None)


@pytest.mark.parametrize("version", ["5", "5.0.0", "7.1", "latest", ""])
def test_another_major_version_of_superset_is_refused(version: str) -> None:
    with pytest.raises(ConfigError, match=rf"for Superset 6, not {re.escape(version)}"):
        identity.require_version(version)
    for known in ("6", "6.0.0", "6.1.0rc1"):
        identity.require_version(known)
