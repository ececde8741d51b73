"""The KPIs as a dbt project for MetricFlow: one semantic model over the complete months of `mart_kpi`.

MetricFlow adds months up to quarters and years. A KPI whose months do not add up is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cxflow.bi.published import Published, PublishedKpi, model_name
from cxflow.bi.rollups import TABLE
from cxflow.duck import literal
from cxflow.settings import Settings

MODEL, SPINE, ENTITY = "kpi_month", "cxflow_time_spine", "kpi_value"
DATABASE = "cxflow_database"
"""The variable of dbt that names the database of the marts, where it is not that of dbt's own models."""
_SOURCE = f"{{{{ source('cxflow', '{TABLE}') }}}}"
_MODEL_SQL = f"SELECT * FROM {_SOURCE} WHERE grain = 'month' AND is_complete\n"
_SPINE_SQL = f"SELECT DISTINCT period_start AS date_day FROM {_SOURCE} WHERE grain = 'day'\n"
_PARTS = {
    "numerator": ("SUM", "numerator"),
    "denominator": ("SUM", "denominator"),
    "shown": ("SUM", "CASE WHEN is_suppressed THEN 0 ELSE 1 END"),
}
"""What a KPI is made from, each a measure."""


def project(published: Published, settings: Settings) -> dict[str, Any]:
    """Path to content: YAML, or the text of a SQL model."""
    name = model_name(settings)
    kpis = [kpi for kpi in published.kpis.values() if _adds_up(kpi)]
    models = [{"name": MODEL, "description": f"The complete months of {TABLE}."}, _time_spine()]
    return {
        "dbt_project.yml": {
            "name": name,
            "version": "1.0.0",
            "profile": name,
            "model-paths": ["models"],
            "models": {"+materialized": "view"},
        },
        f"models/{MODEL}.sql": _MODEL_SQL,
        f"models/{SPINE}.sql": _SPINE_SQL,
        "models/sources.yml": {
            "version": 2,
            "sources": [
                {
                    "name": "cxflow",
                    "database": f"{{{{ var('{DATABASE}', target.database) }}}}",
                    "schema": published.schema,
                    "tables": [{"name": TABLE}],
                }
            ],
            "models": models,
        },
        "models/kpis.yml": {
            "semantic_models": [_semantic_model(kpis)],
            "metrics": [metric for kpi in kpis for metric in _metrics(kpi)],
        },
    }


def _adds_up(kpi: PublishedKpi) -> bool:
    return not kpi.rollup.indivisible and "month" in kpi.declared.grains


def _time_spine() -> dict[str, Any]:
    return {
        "name": SPINE,
        "description": "The days that have a value; MetricFlow asks for such a model.",
        "time_spine": {"standard_granularity_column": "date_day"},
        "columns": [{"name": "date_day", "granularity": "day"}],
    }


def _semantic_model(kpis: list[PublishedKpi]) -> dict[str, Any]:
    month = {"type": "time", "type_params": {"time_granularity": "month"}}
    return {
        "name": MODEL,
        "model": f"ref('{MODEL}')",
        "defaults": {"agg_time_dimension": "period_start"},
        "primary_entity": ENTITY,
        "dimensions": [
            {"name": "period_start", **month},
            {"name": "dimension", "type": "categorical"},
            {"name": "dimension_value", "type": "categorical"},
        ],
        "measures": [measure for kpi in kpis for measure in _measures(kpi)],
    }


def _measures(kpi: PublishedKpi) -> Iterator[dict[str, Any]]:
    for part in _parts(kpi):
        aggregate, column = _PARTS[part]
        yield {
            "name": _part(kpi, part),
            "agg": aggregate,
            "expr": f"CASE WHEN kpi = {literal(kpi.declared.name)} THEN {column} END",
        }


def _metrics(kpi: PublishedKpi) -> Iterator[dict[str, Any]]:
    """The sums, the KPI of everything, and the KPI by each of its dimensions, to group by `dimension_value`."""
    declared = kpi.declared
    parts = [_part(kpi, part) for part in _parts(kpi)]
    for name in parts:
        yield {"name": name, "label": name, "type": "simple", "type_params": {"measure": name}}
    value = kpi.rollup.value(_part(kpi, "numerator"), _part(kpi, "denominator"))
    for dimension in sorted(kpi.dimensions):
        yield {
            "name": f"{declared.name}_by_{dimension.replace('.', '_')}" if dimension else declared.name,
            "label": f"{declared.title} by {dimension}" if dimension else declared.title,
            "description": kpi.described,
            "type": "derived",
            "type_params": {
                "expr": f"CASE WHEN {_part(kpi, 'shown')} > 0 THEN {value} END",
                "metrics": [{"name": name} for name in parts],
            },
            "filter": f"{{{{ Dimension('{ENTITY}__dimension') }}}} = {literal(dimension)}",
        }


def _parts(kpi: PublishedKpi) -> list[str]:
    return [part for part in _PARTS if part != "denominator" or not kpi.rollup.is_total]


def _part(kpi: PublishedKpi, part: str) -> str:
    return f"{kpi.declared.name}_{part}"
