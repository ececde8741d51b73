"""The semantic layer as a document of Apache Ossie (once Open Semantic Interchange): datasets, relationships, KPIs.

Its metrics are the rollups of the KPIs over `mart_kpi`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cxflow.bi.published import Published, PublishedKpi, model_name
from cxflow.bi.rollups import TABLE
from cxflow.publish import marts
from cxflow.settings import Settings

VERSION = "0.2.0.dev0"
"""Of the specification, which is a draft: a document names one version."""
_KEYS = {
    "mart_customer": "customer_id",
    "mart_order": "order_id",
    "mart_support_case": "case_id",
    "mart_touchpoint": "touchpoint_id",
}
"""Mart to its key, by which the others refer to it."""
_KPI_KEY = ("kpi", "grain", "period_start", "dimension", "dimension_value")
_TYPES = (
    ("TIMESTAMP WITH TIME ZONE", "DateTimeTz"),
    ("TIMESTAMP", "DateTime"),
    ("DATE", "Date"),
    ("BOOL", "Boolean"),
    ("DOUBLE", "Float"),
    ("NUMERIC", "Decimal"),
    ("DECIMAL", "Decimal"),
    ("BIGINT", "Integer"),
    ("INT", "Integer"),
    ("SMALLINT", "Integer"),
    ("VARCHAR", "String"),
    ("CHARACTER VARYING", "String"),
    ("TEXT", "String"),
)
"""How a database's type begins, and what the specification calls it."""


def document(published: Published, settings: Settings) -> dict[str, Any]:
    """The document: every mart, and every KPI that has values."""
    return {
        "version": VERSION,
        "name": model_name(settings),
        "description": "Customer experience: touchpoints, journeys, service, orders, and KPIs with their components.",
        "ai_context": {
            "instructions": f"Take KPIs from the metrics, over one grain and one dimension of {TABLE} at a time: they "
            "are null if several are mixed. dimension = '' is everything. Where is_complete is false, later data may "
            "change the value: leave such periods out of comparisons."
        },
        "datasets": [_dataset(name, published) for name in sorted(published.views)],
        "relationships": list(_relationships(published)),
        "metrics": [_metric(kpi) for kpi in published.kpis.values()],
    }


def _dataset(name: str, published: Published) -> dict[str, Any]:
    mart = marts.read_all()[name]
    key = list(_KPI_KEY) if name == TABLE else [_KEYS[name]] if name in _KEYS else []
    return {
        "name": name,
        "source": f"{published.schema}.{name}",
        **({"primary_key": key} if key else {}),
        "description": mart.description,
        "fields": [
            _field(column, type_, mart.columns[column]) for column, type_ in published.views[name].items()
        ],
    }


def _field(name: str, type_: str, description: str) -> dict[str, Any]:
    known = next((title for begin, title in _TYPES if type_.startswith(begin)), None)
    is_list = type_.endswith("[]")
    return {
        "name": name,
        "expression": _expression(name),
        "description": description,
        **({"datatype": known} if known and not is_list else {}),
    }


def _relationships(published: Published) -> Iterator[dict[str, Any]]:
    for name, columns in sorted(published.views.items()):
        for other, key in _KEYS.items():
            if key in columns and name != other:
                yield {
                    "name": f"{name}_to_{other}",
                    "from": name,
                    "to": other,
                    "from_columns": [key],
                    "to_columns": [key],
                }


def _metric(kpi: PublishedKpi) -> dict[str, Any]:
    declared = kpi.declared
    titles = dict.fromkeys(filter(None, (declared.title, declared.title_es)))
    context: dict[str, Any] = {"synonyms": list(titles)}
    if kpi.rollup.indivisible:
        context["instructions"] = f"Of one period and one slice at a time: {kpi.rollup.indivisible}."
    return {
        "name": declared.name,
        "expression": _expression(kpi.rollup.sql_over(TABLE)),
        "description": kpi.described,
        "datatype": "Float",
        "ai_context": context,
    }


def _expression(sql: str) -> dict[str, Any]:
    return {"dialects": [{"dialect": "ANSI_SQL", "expression": sql}]}
