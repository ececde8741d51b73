"""The dashboard: tabs of rows of charts, and a filter of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cxflow.bi.superset.charts import COLUMNS, Chart
from cxflow.bi.superset.identity import FORMAT, identifier
from cxflow.bi.wording import Wording

_ROOT, _GRID, _TABS = "ROOT_ID", "GRID_ID", "TABS-cxflow"


def dashboard(
    tabs: Mapping[str, tuple[str, Sequence[Chart]]], project: str, words: Wording
) -> dict[str, Any]:
    """The dashboard of these tabs."""
    title = words("Customer experience", "Experiencia de cliente")
    return {
        "dashboard_title": f"{title}: {project}",
        "description": None,
        "slug": f"cxflow-{project}",
        "css": "",
        "uuid": identifier(project, "dashboard"),
        "published": True,
        "position": _position(tabs, project, f"{title}: {project}"),
        "metadata": {
            "native_filter_configuration": [_time_filter(words)],
            "cross_filters_enabled": False,
            "color_scheme": "supersetColors",
            "refresh_frequency": 0,
            "timed_refresh_immune_slices": [],
            "expanded_slices": {},
            "label_colors": {},
        },
        "version": FORMAT,
    }


def _position(tabs: Mapping[str, tuple[str, Sequence[Chart]]], project: str, title: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "HEADER_ID": {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": title}},
        _ROOT: {"id": _ROOT, "type": "ROOT", "children": [_TABS]},
        _GRID: {"id": _GRID, "type": "GRID", "children": [], "parents": [_ROOT]},
        _TABS: {
            "id": _TABS,
            "type": "TABS",
            "meta": {},
            "parents": [_ROOT],
            "children": [f"TAB-{name}" for name in tabs],
        },
    }
    number = 0
    for name, (text, charts) in tabs.items():
        tab = f"TAB-{name}"
        above = [_ROOT, _TABS, tab]
        rows = list(_rows(charts))
        ids = [f"ROW-{name}-{place}" for place in range(1, len(rows) + 1)]
        made[tab] = {
            "id": tab,
            "type": "TAB",
            "meta": {"text": text},
            "parents": above[:-1],
            "children": ids,
        }
        for row, of_row in zip(ids, rows, strict=True):
            children = []
            for chart in of_row:
                number += 1
                children.append(f"CHART-{number}")
                made[children[-1]] = _chart(children[-1], chart, number, [*above, row], project)
            made[row] = {
                "id": row,
                "type": "ROW",
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
                "parents": above,
                "children": children,
            }
    return made


def _chart(id_: str, chart: Chart, number: int, above: Sequence[str], project: str) -> dict[str, Any]:
    return {
        "id": id_,
        "type": "CHART",
        "parents": list(above),
        "children": [],
        "meta": {
            "chartId": number,  # the import replaces it
            "uuid": identifier(project, "chart", chart.name),
            "sliceName": chart.title,
            "width": chart.width,
            "height": chart.height,
        },
    }


def _rows(charts: Sequence[Chart]) -> Iterator[list[Chart]]:
    """The charts in rows of one height, which fill the grid's width."""
    row: list[Chart] = []
    for chart in charts:
        if row and (chart.height != row[0].height or sum(each.width for each in row) + chart.width > COLUMNS):
            yield _stretched(row)
            row = []
        row.append(chart)
    if row:
        yield _stretched(row)


def _stretched(row: Sequence[Chart]) -> list[Chart]:
    return [replace(chart, width=COLUMNS // len(row)) for chart in row]


def _time_filter(words: Wording) -> dict[str, Any]:
    return {
        "id": "NATIVE_FILTER-time",
        "type": "NATIVE_FILTER",
        "name": words("Time", "Tiempo"),
        "description": "",
        "filterType": "filter_time",
        "targets": [{}],
        "scope": {"rootPath": [_ROOT], "excluded": []},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        "controlValues": {"enableEmptyFilter": False},
        "cascadeParentIds": [],
    }
