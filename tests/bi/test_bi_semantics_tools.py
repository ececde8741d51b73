"""The semantic models in the tools that read them: `make bi`."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bi_shop import Shop, close, tool

from cxflow.bi import files, metricflow, ossie
from cxflow.publish import snapshot
from cxflow.warehouse import transactions

pytestmark = pytest.mark.bi


def run(folder: Path, environment: str, program: str, *arguments: str) -> str:
    """What a tool says; fails with it if the tool does."""
    of_tool = {"DBT_PROFILES_DIR": str(folder), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "CI": "true"}
    command = [str(tool(environment, program)), *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | of_tool, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ossie_is_valid_and_its_sql_gives_what_cxflow_publishes(shop: Shop, tmp_path: Path) -> None:
    with shop.published() as published:
        document = ossie.document(published, shop.bench.settings)
    (tmp_path / "ossie.yaml").write_text(files.text(document), encoding="utf-8")
    assert "PASSED" in run(tmp_path, "ossie", "azem", "validate", "ossie.yaml")
    names = [each["name"] for each in document["metrics"]]
    chosen = {"grain": "month", "dimension": ""}
    filters = [{"field": f"mart_kpi.{name}", "op": "=", "value": value} for name, value in chosen.items()]
    request = {"metrics": names, "dimensions": ["mart_kpi.period_start"], "filters": filters}
    (tmp_path / "request.json").write_text(json.dumps(request))
    sql = run(tmp_path, "ossie", "azem", "compile", "--dialect", "postgres", "ossie.yaml", "request.json")
    known = {(kpi, month): value for kpi, month, value in shop.ask(MONTHS)}
    rows = shop.ask(f"SELECT period_start, {', '.join(names)} FROM ({sql.strip().rstrip(';')}) AS compiled")
    assert len(rows) > 1
    for month, *found in rows:
        for name, value in zip(names, found, strict=True):
            assert close(value, known.get((name, month))), (name, month)


MONTHS = "SELECT kpi, period_start, value FROM mart_kpi WHERE grain = 'month' AND dimension = ''"


def test_metricflow_takes_the_project_and_gives_what_cxflow_publishes(shop: Shop, tmp_path: Path) -> None:
    with shop.published() as published:
        project = metricflow.project(published, shop.bench.settings)
    files.write(project, tmp_path)
    output, variables = target(shop, tmp_path)
    profile = {project["dbt_project.yml"]["profile"]: {"target": "here", "outputs": {"here": output}}}
    (tmp_path / "profiles.yml").write_text(files.text(profile))
    run(tmp_path, "semantics", "dbt", "build", "--vars", json.dumps(variables))
    run(tmp_path, "semantics", "mf", "validate-configs", "--skip-dw")
    derived = [each for each in project["models/kpis.yml"]["metrics"] if each["type"] == "derived"]
    whole = [each["name"] for each in derived if each["filter"].endswith("= ''")]
    complete = {(kpi, str(month)): value for kpi, month, value in shop.ask(f"{MONTHS} AND is_complete")}
    compared = 0
    for row in query(tmp_path, whole, "metric_time__month"):
        for name in whole:
            value = float(row[name]) if row[name] else None
            assert close(value, complete.get((name, row["metric_time__month"][:10]))), (name, row)
            compared += value is not None
    assert compared > 30
    sliced = (
        "SELECT dimension_value, value FROM mart_kpi WHERE kpi = 'net_experience' AND dimension = 'segment' "
    )
    year = dict(shop.ask(f"{sliced} AND grain = 'year'"))
    found = query(tmp_path, ["net_experience_by_segment"], "metric_time__year", "kpi_value__dimension_value")
    shown = {row["kpi_value__dimension_value"]: row["net_experience_by_segment"] for row in found}
    assert {name for name, value in shown.items() if value} == {"home", "business"}
    for name, value in shown.items():
        assert not value or close(float(value), year[name]), name


def query(folder: Path, metrics: list[str], *groups: str) -> list[dict[str, Any]]:
    """The rows that MetricFlow gives."""
    asked = ("--metrics", ",".join(metrics), "--group-by", ",".join(groups))
    run(folder, "semantics", "mf", "query", *asked, "--decimals", "15", "--csv", "rows.csv")
    with (folder / "rows.csv").open() as file:
        return list(csv.DictReader(file))


def target(shop: Shop, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """How dbt reaches the marts, and its variables. A snapshot is attached to a file of dbt's own."""
    settings = shop.bench.settings
    place = snapshot.path(settings)
    if place is not None:
        beside = {"path": str(place), "alias": "marts", "read_only": True}
        own = {"type": "duckdb", "path": str(folder / "own.duckdb"), "schema": "main", "attach": [beside]}
        return own, {metricflow.DATABASE: "marts"}
    url: sa.URL = transactions.warehouse_url(settings)
    reached = {"host": url.host or url.query["host"], "port": url.port or 5432, "user": url.username}
    server = {**reached, "password": url.password or "any", "dbname": url.database}
    return {"type": "postgres", "schema": "dbt", "threads": 1, **server}, {}
