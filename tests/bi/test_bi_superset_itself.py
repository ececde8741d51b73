"""The bundle in a real Superset and in a real browser: `make bi`. Pictures of the tabs stay in its folder."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import superset_browser
import superset_server
import yaml
from bi_shop import Shop, tool
from superset_server import Superset

from cxflow.bi import files
from cxflow.bi.superset import identity
from cxflow.bi.superset.bundle import bundle
from cxflow.bi.wording import Wording

pytestmark = pytest.mark.bi
PROJECT = "cxflow"


@pytest.fixture(scope="module")
def superset(tmp_path_factory: pytest.TempPathFactory, bundle_file: Path) -> Iterator[Superset]:
    """It, with the bundle imported as a person does."""
    with superset_server.running(tool("superset", "python"), tmp_path_factory.mktemp("superset")) as found:
        found.load("dashboard", bundle_file, cxflow="any: the server trusts this machine")
        yield found


@pytest.fixture(scope="module")
def bundle_file(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle for this database."""
    path = tmp_path_factory.mktemp("bundle") / "superset.zip"
    with shop.published() as published:
        files.write(bundle(published, shop.bench.settings, Wording("en")), path)
    return path


def charts(superset: Superset) -> dict[str, str]:
    found = superset.get("chart/", q="(page_size:500)")["result"]
    return {str(each["id"]): each["slice_name"] for each in found}


def test_every_chart_is_drawn(superset: Superset, tmp_path_factory: pytest.TempPathFactory) -> None:
    pictures = tmp_path_factory.mktemp("pictures")
    answers = superset_browser.tabs(superset, f"cxflow-{PROJECT}", pictures)
    names = charts(superset)
    assert len(names) > 35
    assert {names[number] for number in names if number not in answers} == set(), "never asked"
    assert [(names[number], each) for number, each in answers.items() if isinstance(each, str)] == []
    empty = {names[number] for number, each in answers.items() if not each["result"][0]["rowcount"]}
    assert {name for name in empty if " by segment" not in name and " by channel" not in name} == set()
    assert len(list(pictures.glob("*.png"))) == 5


@pytest.mark.parametrize("grain", ["week", "month", "quarter", "year"])
def test_its_kpis_are_those_that_cxflow_published(superset: Superset, shop: Shop, grain: str) -> None:
    with shop.published() as published:
        kpis = list(published.kpis)
    cell = ["period_start", "dimension", "dimension_value"]
    shown = ask(superset, "mart_kpi", kpis, cell, [("grain", grain)])
    of_grain = f"SELECT kpi, {', '.join(cell)}, value FROM mart_kpi WHERE grain = '{grain}'"
    known = {(kpi, str(start), *rest): value for kpi, start, *rest, value in shop.ask(of_grain)}
    assert len(shown) > 5
    compared = 0
    for row in shown:
        for kpi in kpis:
            value = known.get((kpi, day(row["period_start"]), row["dimension"], row["dimension_value"]))
            expected = value if value is None else pytest.approx(value, rel=1e-9)
            assert row[kpi] == expected, (kpi, row)
            compared += value is not None
    assert compared > 100


def test_its_year_follows_from_months(superset: Superset, shop: Shop) -> None:
    with shop.published() as published:
        kpis = [name for name, kpi in published.kpis.items() if not kpi.rollup.indivisible]
    (shown,) = ask(superset, "mart_kpi", kpis, [], [("grain", "month"), ("dimension", "")])
    whole = "SELECT kpi, value FROM mart_kpi WHERE grain = 'year' AND dimension = ''"
    known = dict(shop.ask(whole))
    compared = {kpi for kpi in kpis if shown[kpi] is not None}
    for kpi in compared:
        assert shown[kpi] == pytest.approx(known[kpi], rel=1e-9), kpi
    assert {"nps", "contact_rate", "revenue", "on_time_delivery_rate"} <= compared


def test_importing_again_changes_nothing_and_a_new_bundle_replaces_the_old(
    superset: Superset, bundle_file: Path, tmp_path: Path
) -> None:
    before = {
        kind: superset.get(f"{kind}/")["count"] for kind in ("chart", "dataset", "dashboard", "database")
    }
    superset.load("dashboard", bundle_file)  # without the password: it has one
    superset.load("assets", bundle_file)
    with zipfile.ZipFile(bundle_file) as archive:
        contents = {name: yaml.safe_load(archive.read(name)) for name in archive.namelist()}
    changed = {name.partition("/")[2]: content for name, content in contents.items()}
    changed["charts/number-nps.yaml"]["slice_name"] = "renamed"
    files.write(changed, tmp_path / "superset.zip")
    superset.load("assets", tmp_path / "superset.zip")
    assert {kind: superset.get(f"{kind}/")["count"] for kind in before} == before
    number = superset.id_of("chart", identity.identifier(PROJECT, "chart", "number nps"))
    assert superset.get(f"chart/{number}")["result"]["slice_name"] == "renamed"
    assert ask(superset, "mart_kpi", ["nps"], [], [("grain", "year"), ("dimension", "")])


def ask(
    superset: Superset, dataset: str, metrics: list[str], columns: list[str], filters: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    """The rows that Superset's own query of a dataset gives."""
    number = superset.id_of("dataset", identity.identifier(PROJECT, "dataset", dataset))
    chosen = [{"col": column, "op": "==", "val": value} for column, value in filters]
    query = {"metrics": metrics, "columns": columns, "filters": chosen, "row_limit": 10_000}
    source = {"id": number, "type": "table"}
    answer = superset.post("chart/data", {"datasource": source, "queries": [query], "force": True})
    rows: list[dict[str, Any]] = answer["result"][0]["data"]
    return rows


def day(epoch_milliseconds: float) -> str:
    from datetime import UTC, datetime

    return str(datetime.fromtimestamp(epoch_milliseconds / 1000, UTC).date())
