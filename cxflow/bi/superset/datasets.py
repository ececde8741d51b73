"""The datasets: one on every mart, and one of the newest complete periods of each KPI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cxflow.bi.published import Published, PublishedKpi
from cxflow.bi.rollups import TABLE
from cxflow.bi.superset.identity import FORMAT, identifier
from cxflow.bi.wording import Wording
from cxflow.publish import marts
from cxflow.settings import Settings

NEWEST = "kpi_newest"
"""The dataset of complete periods, numbered from the newest."""
COUNT = "rows"
"""The metric that every dataset has."""
PERIODS_AGO = "periods_ago"
_NEWEST_SQL = f"""\
SELECT
    k.*,
    dense_rank() OVER (PARTITION BY kpi, grain ORDER BY period_start DESC) AS {PERIODS_AGO}
FROM {{schema}}.{TABLE} AS k
WHERE is_complete"""
_SUMS = {
    "mart_load": ("extracted", "inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined"),
}
"""Mart to columns of counts, which add up."""


def time_column(columns: Mapping[str, str]) -> str | None:
    """The column that a mart's rows are dated by: the first in local time, or a KPI's period."""
    local = (name for name in columns if name.endswith("_local") or name == "period_start")
    return next(local, None)


def _calculated(settings: Settings, words: Wording) -> Mapping[str, Mapping[str, tuple[str, str, str]]]:
    """Dataset to columns that Superset computes: SQL, type, description."""
    good, neutral, bad = words("good", "buena"), words("neutral", "neutra"), words("bad", "mala")
    return {
        "mart_experience": {
            "experience": (
                f"CASE polarity WHEN 1 THEN '{good}' WHEN 0 THEN '{neutral}' WHEN -1 THEN '{bad}' END",
                "VARCHAR",
                "polarity in a word",
            )
        },
        "mart_interaction": {
            "hour_of_day": (
                "CAST(extract(HOUR FROM offered_at_local) AS integer)",
                "INTEGER",
                "the hour of offered_at_local, 0 to 23",
            )
        },
        NEWEST: {
            "shown_value": (
                "CASE WHEN unit = 'share' THEN 100 * value ELSE value END",
                "DOUBLE PRECISION",
                "the value as it is shown: of a share, its percentage",
            ),
            "shown_unit": (
                "CASE unit WHEN 'share' THEN '%' "
                f"WHEN 'project currency' THEN '{settings.project.currency}' ELSE unit END",
                "VARCHAR",
                "the unit of shown_value",
            ),
        },
    }


def datasets(published: Published, settings: Settings, words: Wording) -> Iterator[dict[str, Any]]:
    """All datasets, sorted by name."""
    known = marts.read_all()
    for name, columns in sorted(published.views.items()):
        described = known[name].columns
        made = _dataset(name, columns, described, published, settings, words)
        yield made | {"description": known[name].description}
    columns = {**published.views[TABLE], PERIODS_AGO: "BIGINT"}
    described = {**known[TABLE].columns, PERIODS_AGO: "1: the newest complete period of the KPI and grain"}
    newest = _dataset(NEWEST, columns, described, published, settings, words)
    yield newest | {
        "description": "The values of complete periods, numbered from the newest of each KPI and grain.",
        "sql": _NEWEST_SQL.format(schema=published.schema),
    }


def _dataset(
    name: str,
    columns: Mapping[str, str],
    described: Mapping[str, str],
    published: Published,
    settings: Settings,
    words: Wording,
) -> dict[str, Any]:
    project = settings.project.name
    found = [_column(column, type_, described[column]) for column, type_ in columns.items()]
    for column, (sql, type_, text) in _calculated(settings, words).get(name, {}).items():
        found.append({**_column(column, type_, text), "expression": sql})
    metrics = [_metric(COUNT, words("Rows", "Filas"), "COUNT(*)", ",d")]
    metrics += [_metric(f"sum_{each}", each, f"SUM({each})", ",d") for each in _SUMS.get(name, ())]
    if name in (TABLE, NEWEST):
        metrics += [_kpi_metric(kpi, words) for kpi in published.kpis.values()]
    return {
        "table_name": name,
        "main_dttm_col": time_column(columns),
        "schema": published.schema,
        "sql": None,
        "filter_select_enabled": True,
        "columns": found,
        "metrics": metrics,
        "uuid": identifier(project, "dataset", name),
        "database_uuid": identifier(project, "database"),
        "version": FORMAT,
    }


def _column(name: str, type_: str, description: str) -> dict[str, Any]:
    return {
        "column_name": name,
        "type": type_,
        "is_dttm": type_.startswith(("TIMESTAMP", "DATE")),
        "is_active": True,
        "groupby": True,
        "filterable": True,
        "description": description,
    }


def _metric(name: str, title: str, sql: str, number_format: str, description: str = "") -> dict[str, Any]:
    return {
        "metric_name": name,
        "verbose_name": title,
        "expression": sql,
        "d3format": number_format,
        "description": description or None,
    }


def _kpi_metric(kpi: PublishedKpi, words: Wording) -> dict[str, Any]:
    declared = kpi.declared
    made = _metric(
        declared.name,
        words.title(declared),
        kpi.rollup.sql,
        number_format(kpi),
        f"{words.description(declared)} [{words.formula(declared)}]",
    )
    if kpi.rollup.indivisible:
        text = words(
            "shown for one period and slice at a time", "se muestra de un periodo y un segmento a la vez"
        )
        made["warning_text"] = f"{text}: {kpi.rollup.indivisible}"
    return made


def number_format(kpi: PublishedKpi) -> str:
    """How a value is shown, as a d3 format."""
    return f",.{kpi.declared.shown_decimals}{'%' if kpi.declared.unit == 'share' else 'f'}"
