"""The charts of the report as Vega-Lite specifications, over values that are already worded. Called by `page`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cxflow.report.drawing import Spec

_PANEL, _TREND, _PHONE = 520, 370, 320
"""Widths in CSS pixels: of half of a page and a third of it; of a telephone."""
_FIT = {"type": "fit-x", "contains": "padding"}
"""All in a chart's width, labels too: charts beside each other have letters of one size."""
ROOM = {"left": 14, "right": 2, "top": 2, "bottom": 2}
"""Some systems' letters are wider than those that the labels were measured with."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a trend; None where there is none."""

    label: str
    """Of its period."""
    tip: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A count, and the count before."""

    label: str
    tip: str
    now: int
    before: int
    text: str
    """What stands beside the bar."""


def sparkline(points: Sequence[Point]) -> Spec:
    """A line with its interval, without axes; the last value is marked."""
    return {
        "width": 260,
        "height": 48,
        "padding": 3,
        "data": {"values": _points(points)},
        "layer": [
            *_line(size=14),
            {
                "transform": [{"filter": f"datum.place == {_last(points)}"}],
                "mark": {"type": "point", "filled": True, "size": 46, "color": "var(--accent)"},
                "encoding": {"y": _value(), "description": {"field": "tip", "type": "nominal"}},
            },
        ],
        "encoding": {"x": {"field": "place", "type": "quantitative", "axis": None, "scale": {"nice": False}}},
        "config": {"background": None, "view": {"stroke": None}, "axis": {"grid": False}},
    }


def trend(points: Sequence[Point], number_format: str) -> Spec:
    """A line with its interval over periods. `number_format`: of the axis, as d3 writes it."""
    axis = {"format": number_format, "tickCount": 4, "title": None}
    return {
        "width": _TREND,
        "height": 180,
        "autosize": _FIT,
        "data": {"values": _points(points)},
        "layer": _line(size=34, axis=axis),
        "encoding": {
            "x": {
                "field": "label",
                "type": "ordinal",
                "sort": None,
                "axis": {
                    "labelAngle": 0,
                    "labelOverlap": "greedy",
                    "labelSeparation": 14,
                    "labelBound": True,
                },
                "scale": {"type": "point", "padding": 0.25},
            }
        },
    }


def bars(rows: Sequence[Bar], *, has_before: bool) -> tuple[Spec, Spec]:
    """Counts as horizontal bars, a tick where each was before: for a wide place and a narrow one."""
    return _bars(rows, has_before, _PANEL), _bars(rows, has_before, _PHONE)


def _bars(rows: Sequence[Bar], has_before: bool, width: int) -> Spec:
    most = max((max(row.now, row.before) for row in rows), default=0) or 1
    values = [
        {"label": row.label, "tip": row.tip, "now": row.now, "before": row.before, "text": row.text}
        for row in rows
    ]
    y = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "axis": {"labelColor": "var(--text)", "labelFontSize": 13, "labelLimit": 0.4 * width},
    }
    x = {
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, most * (1.5 if width > _PHONE else 2)]},
    }
    layer: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "color": "var(--accent)", "height": {"band": 0.62}},
            "encoding": {"x": {"field": "now", **x}, "description": {"field": "tip", "type": "nominal"}},
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 8, "color": "var(--muted)"},
            "encoding": {"x": {"field": "end", **x}, "text": {"field": "text", "type": "nominal"}},
        },
    ]
    if has_before:
        tick = {"type": "tick", "color": "var(--text)", "thickness": 2, "size": 20}
        layer.append(
            {
                "mark": tick,
                "encoding": {
                    "x": {"field": "before", **x},
                    "description": {"field": "tip", "type": "nominal"},
                },
            }
        )
    for value, row in zip(values, rows, strict=True):
        value["end"] = max(row.now, row.before if has_before else 0)
    return {
        "width": width,
        "height": {"step": 30},
        "autosize": _FIT,
        "padding": ROOM,
        "data": {"values": values},
        "layer": layer,
        "encoding": {"y": y},
    }


def _points(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [
        {
            "place": place,
            "label": point.label,
            "tip": point.tip,
            "value": point.value,
            "low": point.low,
            "high": point.high,
        }
        for place, point in enumerate(points)
    ]


def _last(points: Sequence[Point]) -> int:
    return max((place for place, point in enumerate(points) if point.value is not None), default=0)


def _value(axis: Any = None) -> dict[str, Any]:
    return {"field": "value", "type": "quantitative", "axis": axis, "scale": {"zero": False, "nice": True}}


def _line(size: int, axis: Any = None) -> list[dict[str, Any]]:
    """The layers of a line with its interval. A period without a value leaves a gap."""
    scale = {"zero": False, "nice": True}
    band = {"type": "area", "color": "var(--band)", "invalid": "break-paths-show-domains"}
    line = {"type": "line", "color": "var(--accent)", "strokeWidth": 2, "strokeJoin": "round"}
    dots = {"type": "point", "filled": True, "size": size, "color": "var(--accent)", "invalid": "filter"}
    return [
        {
            "mark": band,
            "encoding": {
                "y": {"field": "low", "type": "quantitative", "axis": axis, "scale": scale},
                "y2": {"field": "high"},
            },
        },
        {"mark": {**line, "invalid": "break-paths-show-domains"}, "encoding": {"y": _value(axis)}},
        {"mark": dots, "encoding": {"y": _value(axis), "description": {"field": "tip", "type": "nominal"}}},
    ]
