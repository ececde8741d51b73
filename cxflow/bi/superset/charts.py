"""Charts, as Superset's own plugins read them: each function makes one kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cxflow.bi.published import PublishedKpi
from cxflow.bi.rollups import TABLE
from cxflow.bi.superset.datasets import COUNT, NEWEST, PERIODS_AGO, number_format

COLUMNS = 12
"""Columns of the dashboard's grid."""
Grain = Literal["day", "week", "month"]
_TIME_GRAINS: Mapping[Grain, str] = {"day": "P1D", "week": "P1W", "month": "P1M"}
_TIME_FORMATS: Mapping[Grain, str] = {"day": "%d %b", "week": "%d %b", "month": "%b %Y"}
_MOST_SERIES = 12
Filter = tuple[str, str, Any]
"""Column, operator (`==`, `IN`, `IS NOT NULL`), value."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and its place."""

    name: str
    """Unique in the bundle; its UUID follows from it."""
    title: str
    kind: str
    """Superset's `viz_type`."""
    dataset: str
    parameters: Mapping[str, Any]
    width: int
    """In columns of the grid."""
    height: int = 50
    """In units of 8 pixels."""
    description: str = ""
    needs: str | None = None
    """A column of the dataset without whose values there is nothing to show."""


def number(kpi: PublishedKpi, title: str, unit: str, description: str) -> Chart:
    """The newest complete month of a KPI, over the line of the months before."""
    name = kpi.declared.name
    return Chart(
        f"number {name}",
        title,
        "big_number",
        TABLE,
        {
            "metric": name,
            **_over_periods([name], "month"),
            "y_axis_format": number_format(kpi),
            "time_format": _TIME_FORMATS["month"],
            "show_timestamp": True,
            "show_trend_line": True,
            "start_y_axis_at_zero": False,
            "header_font_size": 0.3,
            "timestamp_font_size": 0.125,
            "subtitle": unit,
            "subtitle_font_size": 0.125,
        },
        width=3,
        height=26,
        description=description,
    )


def lines(
    name: str, kpis: Sequence[PublishedKpi], title: str, grain: Grain = "week", width: int = 6
) -> Chart:
    """KPIs of one unit over their complete periods."""
    names = [kpi.declared.name for kpi in kpis]
    return Chart(
        f"lines {name}",
        title,
        "echarts_timeseries_line",
        TABLE,
        {
            "metrics": names,
            **_over_periods(names, grain),
            "groupby": [],
            "y_axis_format": number_format(kpis[0]),
            "markerEnabled": True,
            "truncateYAxis": True,
            **_axes(grain),
            "show_legend": len(names) > 1,
        },
        width=width,
    )


def slices(kpi: PublishedKpi, dimension: str, title: str, width: int = 6) -> Chart:
    """A KPI's newest complete month, by the values of a dimension."""
    name = kpi.declared.name
    newest = (("grain", "==", "month"), ("dimension", "==", dimension), (PERIODS_AGO, "==", 1))
    return Chart(
        f"slices {name} {dimension}",
        title,
        "echarts_timeseries_bar",
        NEWEST,
        {
            "metrics": [name],
            "x_axis": "dimension_value",
            "groupby": [],
            "adhoc_filters": _filters((*newest, ("is_suppressed", "==", False), ("kpi", "==", name))),
            "y_axis_format": number_format(kpi),
            **_bars(),
            "show_value": True,
            "show_legend": False,
        },
        width=width,
    )


def counts_over_time(
    dataset: str,
    time: str,
    title: str,
    by: str | None = None,
    metrics: Sequence[str] = (COUNT,),
    filters: Sequence[Filter] = (),
    grain: Grain = "week",
    width: int = 6,
) -> Chart:
    """Sums of events by week or month, as stacked bars."""
    return Chart(
        f"over time {dataset}{f' {by}' if by else ''}",
        title,
        "echarts_timeseries_bar",
        dataset,
        {
            "metrics": list(metrics),
            "x_axis": time,
            "time_grain_sqla": _TIME_GRAINS[grain],
            "groupby": [by] if by else [],
            "limit": _MOST_SERIES if by else 0,
            "adhoc_filters": [*_filters(filters), _in_time(time)],
            "y_axis_format": ",d",
            **_axes(grain),
            "stack": "Stack",
            "show_legend": bool(by) or len(metrics) > 1,
        },
        width=width,
        needs=by,
    )


def counts_by(
    dataset: str,
    column: str,
    title: str,
    by: str | None = None,
    filters: Sequence[Filter] = (),
    width: int = 6,
    most: int = 15,
    *,
    in_order: bool = False,
) -> Chart:
    """Rows by the values of a column, the most frequent first, or `in_order` of the values."""
    # Names lie beside their bars, which grow from the bottom; numbers stand below theirs.
    order = {"orientation": "vertical", "x_axis_sort_asc": True}
    if not in_order:
        order = {"orientation": "horizontal", "x_axis_sort": COUNT, "x_axis_sort_asc": True}
    return Chart(
        f"by {dataset} {column}{f' {by}' if by else ''}",
        title,
        "echarts_timeseries_bar",
        dataset,
        {
            "metrics": [COUNT],
            "x_axis": column,
            "groupby": [by] if by else [],
            "row_limit": most * (_MOST_SERIES if by else 1),
            "order_desc": True,
            "adhoc_filters": _filters((*filters, (column, "IS NOT NULL", None))),
            "y_axis_format": ",d",
            **_bars(),
            **order,
            "stack": "Stack" if by else None,
            "show_value": not by,
            "show_legend": bool(by),
        },
        width=width,
        needs=column,
    )


def rows(
    name: str,
    dataset: str,
    columns: Sequence[str],
    title: str,
    formats: Mapping[str, str] | None = None,
    filters: Sequence[Filter] = (),
    order: Sequence[tuple[str, bool]] = (),
    labels: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = 50,
) -> Chart:
    """The rows of a dataset. `order`: columns, each with whether it ascends."""
    settings: dict[str, dict[str, Any]] = {"period_start": {"d3TimeFormat": "%b %Y"}}
    for column, text in (labels or {}).items():
        settings.setdefault(column, {})["customColumnName"] = text
    for column, text in (formats or {}).items():
        settings.setdefault(column, {})["d3NumberFormat"] = text
    return Chart(
        f"rows {name}",
        title,
        "table",
        dataset,
        {
            "query_mode": "raw",
            "all_columns": list(columns),
            "order_by_cols": [f'["{column}", {str(ascends).lower()}]' for column, ascends in order],
            "adhoc_filters": _filters(filters),
            "row_limit": 1000,
            "server_page_length": 10,
            "table_timestamp_format": "%Y-%m-%d %H:%M",
            "show_cell_bars": False,
            "color_pn": False,
            "column_config": settings,
        },
        width=width,
        height=height,
    )


def totals(
    name: str,
    dataset: str,
    by: Sequence[str],
    title: str,
    metrics: Sequence[str] = (COUNT,),
    filters: Sequence[Filter] = (),
    width: int = 6,
) -> Chart:
    """Counts for each combination of columns, the most frequent first."""
    return Chart(
        f"totals {name}",
        title,
        "table",
        dataset,
        {
            "query_mode": "aggregate",
            "groupby": list(by),
            "metrics": list(metrics),
            "timeseries_limit_metric": metrics[0],
            "order_desc": True,
            "adhoc_filters": _filters(filters),
            "row_limit": 1000,
            "server_page_length": 10,
            "show_cell_bars": True,
            "color_pn": False,
        },
        width=width,
    )


def _over_periods(kpis: Sequence[str], grain: Grain) -> dict[str, Any]:
    """The whole of some KPIs, in complete periods of one grain."""
    chosen: tuple[Filter, ...] = (
        ("kpi", "IN", list(kpis)),
        ("grain", "==", grain),
        ("dimension", "==", ""),
        ("is_complete", "==", True),
    )
    return {
        "x_axis": "period_start",
        "time_grain_sqla": _TIME_GRAINS[grain],
        "adhoc_filters": [*_filters(chosen), _in_time("period_start")],
    }


def _axes(grain: Grain) -> dict[str, Any]:
    return {
        "x_axis_time_format": _TIME_FORMATS[grain],
        "rich_tooltip": True,
        "legendType": "scroll",
        "legendOrientation": "top",
        "row_limit": 10000,
    }


def _bars() -> dict[str, Any]:
    return {
        "orientation": "vertical",
        "xAxisForceCategorical": True,
        "rich_tooltip": True,
        "legendType": "scroll",
        "legendOrientation": "top",
    }


def _in_time(column: str) -> dict[str, Any]:
    """Lets the dashboard's filter of time apply."""
    return _filter((column, "TEMPORAL_RANGE", "No filter"))


def _filters(filters: Sequence[Filter]) -> list[dict[str, Any]]:
    return [_filter(each) for each in filters]


def _filter(of: Filter) -> dict[str, Any]:
    column, operator, value = of
    return {
        "clause": "WHERE",
        "expressionType": "SIMPLE",
        "subject": column,
        "operator": operator,
        "comparator": value,
    }
