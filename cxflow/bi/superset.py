"""The dashboard as an import bundle for Apache Superset 6: a ZIP with a file for each database, dataset and chart.

The ids are hashes of names, so that an import replaces what an earlier one made. The files hold JSON, which is YAML,
too: people import them and don't edit them. No password is among them: Superset asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from cxflow.bi import measures, source
from cxflow.bi.board import DATASETS, TABS, Chart, Dataset, Wanted
from cxflow.bi.source import Source
from cxflow.duck import literal
from cxflow.errors import ConfigError
from cxflow.kpis.kpi import Kpi
from cxflow.publish import views
from cxflow.settings import Settings

VERSION = 6
"""The major version of Superset that imports it."""
_FORMAT = "1.0.0"
_MASK = "X" * 10
"""What Superset takes for a password to ask for."""
_PERIODS = {"day": "P1D", "week": "P1W", "month": "P1M"}
_PLOTS = {
    "line": "echarts_timeseries_line",
    "bar": "echarts_timeseries_bar",
    "columns": "echarts_timeseries_bar",
}
_ROW_HEIGHT = 50
_MOST_ROWS = 10_000
_MOST_CATEGORIES = 20


def require_version(major: int) -> None:
    """Raise ConfigError for a major version of Superset that the bundle is not made for."""
    if major != VERSION:
        raise ConfigError(
            f"the bundle is for Superset {VERSION}, and not for {major}: charts have other settings there",
            value=str(major),
            fix=f"update Superset to {VERSION}, or make the charts by hand from the views",
        )


def of_project(settings: Settings, kpis: Mapping[str, Kpi], user: str | None = None) -> bytes:
    """The bundle of a project whose views are published. Raises what `source.read` raises."""
    found = source.read(settings, [each.view for each in DATASETS], user)
    made = _Bundle(settings.project.name, found, measures.rolled_up(kpis, settings))
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for name, content in made.files():
            # Always the same time, so that equal bundles are equal bytes.
            entry = ZipInfo(f"cxflow/{name}.yaml", (2026, 1, 1, 0, 0, 0))
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, json.dumps(content, indent=1, ensure_ascii=False))
    return packed.getvalue()


class _Bundle:
    """The contents of one bundle. `metrics`: KPI to its SQL over `mart_kpi`."""

    def __init__(self, project: str, found: Source, metrics: Mapping[str, str]) -> None:
        self._project, self._source, self._metrics = project, found, metrics
        self._described = views.descriptions()
        self._times = {each.view: each.time for each in DATASETS}

    def files(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name to content of each file."""
        yield "metadata", {"version": _FORMAT, "type": "Dashboard", "timestamp": "2026-01-01T00:00:00+00:00"}
        yield "databases/cxflow", self._database()
        for dataset in DATASETS:
            yield f"datasets/cxflow/{dataset.view}", self._dataset(dataset)
        charts = [chart for tab in TABS for row in tab.rows for chart in row]
        for number, chart in enumerate(charts, 1):
            yield f"charts/chart_{number:02}", self._chart(chart)
        yield "dashboards/cxflow", self._dashboard()

    def _uuid(self, kind: str, name: str = "") -> str:
        return str(uuid5(NAMESPACE_URL, f"cxflow:{self._project}:{kind}:{name}"))

    def _database(self) -> dict[str, Any]:
        found = self._source
        url = found.url if found.is_file else found.url.set(password=_MASK)
        return {
            "database_name": f"cxflow: {self._project}",
            "sqlalchemy_uri": url.render_as_string(hide_password=False),
            "expose_in_sqllab": True,
            "allow_dml": False,
            "allow_ctas": False,
            "allow_cvas": False,
            "allow_file_upload": False,
            "extra": {"allows_virtual_table_explore": True},
            "uuid": self._uuid("database"),
            "version": _FORMAT,
        }

    def _dataset(self, dataset: Dataset) -> dict[str, Any]:
        described = self._described[dataset.view]
        metrics = {"rows": "COUNT(*)", **dataset.metrics}
        if dataset.view == "mart_kpi":
            metrics |= self._metrics
        return {
            "table_name": dataset.view,
            "main_dttm_col": dataset.time,
            "description": described.relation,
            "schema": None,
            "sql": None,
            "uuid": self._uuid("dataset", dataset.view),
            "columns": [
                {
                    "column_name": name,
                    "type": kind,
                    "is_dttm": kind.startswith(("TIMESTAMP", "DATE")),
                    "description": described.columns.get(name),
                    "groupby": True,
                    "filterable": True,
                }
                for name, kind in self._source.columns[dataset.view].items()
            ],
            "metrics": [
                {"metric_name": name, "verbose_name": name, "expression": sql, "metric_type": "expression"}
                for name, sql in metrics.items()
            ],
            "database_uuid": self._uuid("database"),
            "version": _FORMAT,
        }

    def _chart(self, chart: Chart) -> dict[str, Any]:
        params = self._params(chart)
        return {
            "slice_name": chart.title,
            "viz_type": params["viz_type"],
            "params": params,
            "uuid": self._uuid("chart", chart.title),
            "dataset_uuid": self._uuid("dataset", chart.view),
            "version": _FORMAT,
        }

    def _params(self, chart: Chart) -> dict[str, Any]:
        """What Superset calls the form data of a chart."""
        time = self._times[chart.view]
        common: dict[str, Any] = {"adhoc_filters": _filters(chart, time), "row_limit": _MOST_ROWS}
        period = {"x_axis": time, "time_grain_sqla": _PERIODS.get(chart.grain or "")}
        metrics = {"metrics": list(chart.metrics), "y_axis_format": chart.format}
        match chart.kind:
            case "number":
                course = {"show_trend_line": True, "start_y_axis_at_zero": False, "header_font_size": 0.4}
                return {
                    "viz_type": "big_number",
                    **common,
                    **period,
                    **course,
                    "metric": chart.metrics[0],
                    "y_axis_format": chart.format,
                }
            case "line" | "bar":
                stacked = {"stack": "Stack"} if chart.kind == "bar" else {"markerEnabled": True}
                return {
                    "viz_type": _PLOTS[chart.kind],
                    **common,
                    **period,
                    **metrics,
                    **stacked,
                    "groupby": list(chart.by),
                    "show_legend": True,
                    "rich_tooltip": True,
                    "truncateYAxis": False,
                }
            case "columns":
                return {
                    "viz_type": _PLOTS[chart.kind],
                    **common,
                    **metrics,
                    "x_axis": chart.by[0],
                    "groupby": [],
                    "orientation": "horizontal",
                    "x_axis_sort": chart.metrics[0],
                    "x_axis_sort_asc": True,
                    "row_limit": _MOST_CATEGORIES,
                    "show_value": True,
                    "show_legend": False,
                }
            case "table":
                listed = (
                    {"query_mode": "aggregate", "groupby": list(chart.by), "metrics": list(chart.metrics)}
                    if chart.metrics
                    else {
                        "query_mode": "raw",
                        "all_columns": list(chart.by),
                        "order_by_cols": [json.dumps([chart.by[0], True])],
                    }
                )
                shown = {name: {"d3NumberFormat": chart.format} for name in (*chart.by, *chart.metrics)}
                pages = {"server_page_length": 25, "show_cell_bars": False, "column_config": shown}
                return {"viz_type": "table", **common, **listed, **pages}

    def _dashboard(self) -> dict[str, Any]:
        return {
            "dashboard_title": f"Customer experience: {self._project}",
            "slug": None,
            "uuid": self._uuid("dashboard"),
            "position": self._positions(),
            "metadata": {
                "color_scheme": "supersetColors",
                "cross_filters_enabled": True,
                "native_filter_configuration": [_TIME_RANGE],
            },
            "version": _FORMAT,
        }

    def _positions(self) -> dict[str, Any]:
        """The tree of tabs, rows and charts."""
        found: dict[str, Any] = {"DASHBOARD_VERSION_KEY": "v2"}

        def add(kind: str, name: str, children: Sequence[str], meta: Mapping[str, Any], *parents: str) -> str:
            id_ = f"{kind}-{name}" if name else f"{kind}_ID"
            found[id_] = {
                "id": id_,
                "type": kind,
                "children": list(children),
                "meta": dict(meta),
                "parents": list(parents),
            }
            return id_

        tabs = []
        for t, tab in enumerate(TABS, 1):
            rows = []
            parents = ("ROOT_ID", "TABS-1", f"TAB-{t}")
            for r, row in enumerate(tab.rows, 1):
                charts = [
                    add(
                        "CHART",
                        f"{t}-{r}-{c}",
                        (),
                        {
                            "chartId": 100 * t + 10 * r + c,  # Superset puts its own there
                            "uuid": self._uuid("chart", chart.title),
                            "sliceName": chart.title,
                            "width": chart.width,
                            "height": _ROW_HEIGHT if chart.kind != "number" else _ROW_HEIGHT // 2,
                        },
                        *parents,
                        f"ROW-{t}-{r}",
                    )
                    for c, chart in enumerate(row, 1)
                ]
                rows.append(
                    add("ROW", f"{t}-{r}", charts, {"background": "BACKGROUND_TRANSPARENT"}, *parents)
                )
            tabs.append(add("TAB", f"{t}", rows, {"text": tab.title}, *parents[:2]))
        add("ROOT", "", [add("TABS", "1", tabs, {}, "ROOT_ID")], {})
        return found


_TIME_RANGE = {
    "id": "NATIVE_FILTER-time",
    "type": "NATIVE_FILTER",
    "filterType": "filter_time",
    "name": "Time range",
    "targets": [{}],
    "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
    "controlValues": {"enableEmptyFilter": False},
    "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
    "cascadeParentIds": [],
}


def _filters(chart: Chart, time: str | None) -> list[dict[str, Any]]:
    """The chart's rows, as one condition in SQL: Superset takes a simple one with an empty text for none. And those of
    the dashboard's time range."""
    found: list[dict[str, Any]] = []
    if chart.where:
        conditions = " AND ".join(condition(name, value) for name, value in chart.where.items())
        found.append({"clause": "WHERE", "expressionType": "SQL", "sqlExpression": conditions})
    if time and chart.grain:
        found.append(
            {
                "clause": "WHERE",
                "expressionType": "SIMPLE",
                "subject": time,
                "operator": "TEMPORAL_RANGE",
                "comparator": "No filter",
            }
        )
    return found


def condition(name: str, value: Wanted) -> str:
    """SQL: that a column has a value, or one of several."""
    if isinstance(value, bool):
        return name if value else f"NOT {name}"
    if isinstance(value, str):
        return f"{name} = {literal(value)}"
    return f"{name} IN ({', '.join(map(literal, value))})"
