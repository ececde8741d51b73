"""The chart of the journey as a Vega-Lite specification, over values that are already worded. Called by `figures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxflow.report.charts import ROOM
from cxflow.report.drawing import Spec

_WIDE = 940
"""Width in CSS pixels of the whole page."""
_LEAST_WITH_TEXT = 0.14
"""A smaller share has no room for its text."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A phase of the journey."""

    label: str
    tip: str
    owned: int
    external: int
    text: str
    """The count, worded."""
    moods: Mapping[str, tuple[float, str]]
    """bad, neutral and good to their share of the judged experiences, 0 to 1, and that as a text; empty: none was
    judged."""
    polarity_tip: str


def journey(phases: Sequence[Stretch], *, is_judged: bool) -> tuple[Spec, Spec]:
    """The journey by volume and, where experiences are judged, by how they were: for a wide place and a narrow one."""
    return _journey_wide(phases, is_judged), _journey_narrow(phases, is_judged)


def _journey_wide(phases: Sequence[Stretch], is_judged: bool) -> Spec:
    x = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "axis": {"labelAngle": 0, "labelFontSize": 14, "labelColor": "var(--text)", "orient": "top"},
        "scale": {"paddingInner": 0.35, "paddingOuter": 0.15},
    }
    hidden = {**x, "axis": None}
    most = max((each.owned + each.external for each in phases), default=0) or 1
    height = {"type": "quantitative", "axis": None, "stack": "zero", "scale": {"domain": [0, most * 1.12]}}
    volumes = {
        "width": _WIDE,
        "height": 150,
        "data": {"values": _volumes(phases)},
        "encoding": {"x": x},
        "layer": [
            {
                "mark": {"type": "bar"},
                "encoding": {
                    "y": {"field": "count", **height},
                    "order": {"field": "place"},
                    "color": _control(),
                    "description": {"field": "tip", "type": "nominal"},
                },
            },
            {
                "transform": [{"filter": "datum.place == 0"}],
                "mark": {"type": "text", "dy": -9, "fontSize": 16, "fontWeight": 600},
                "encoding": {
                    "y": {"field": "total", "type": "quantitative", "axis": None},
                    "text": {"field": "text", "type": "nominal"},
                },
            },
        ],
    }
    if not is_judged:
        return {"vconcat": [volumes]}
    share = {"type": "quantitative", "axis": None, "stack": None, "scale": {"domain": [0, 1]}}
    text = {"type": "text", "color": "var(--on-mood)", "fontSize": 13, "fontWeight": 600}
    polarity = {
        "width": _WIDE,
        "height": 110,
        "data": {"values": _polarities(phases)},
        "encoding": {"x": hidden},
        "layer": [
            {
                "mark": "bar",
                "encoding": {
                    "y": {"field": "from", **share},
                    "y2": {"field": "to"},
                    "color": _mood(),
                    "description": {"field": "tip", "type": "nominal"},
                },
            },
            {
                "mark": text,
                "encoding": {"y": {"field": "middle", **share}, "text": {"field": "text", "type": "nominal"}},
            },
        ],
    }
    return {"vconcat": [volumes, polarity], "spacing": 14, "resolve": {"scale": {"color": "independent"}}}


def _journey_narrow(phases: Sequence[Stretch], is_judged: bool) -> Spec:
    y = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "axis": {"labelColor": "var(--text)", "labelFontSize": 12, "labelLimit": 100},
    }
    most = max((each.owned + each.external for each in phases), default=0) or 1
    width = 120 if is_judged else 240
    x = {"type": "quantitative", "axis": None, "stack": "zero", "scale": {"domain": [0, most * 1.5]}}
    volumes = {
        "width": width,
        "height": {"step": 34},
        "data": {"values": _volumes(phases)},
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.6}},
                "encoding": {
                    "x": {"field": "count", **x},
                    "order": {"field": "place"},
                    "color": _control(),
                    "description": {"field": "tip", "type": "nominal"},
                },
            },
            {
                "transform": [{"filter": "datum.place == 0"}],
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {
                    "x": {"field": "total", "type": "quantitative", "axis": None},
                    "text": {"field": "text", "type": "nominal"},
                },
            },
        ],
    }
    if not is_judged:
        return {"hconcat": [volumes], "padding": ROOM}
    polarity = {
        "width": 100,
        "height": {"step": 34},
        "data": {"values": _polarities(phases)},
        "mark": {"type": "bar", "height": {"band": 0.5}},
        "encoding": {
            "y": {**y, "axis": None},
            "x": {
                "field": "from",
                "type": "quantitative",
                "axis": None,
                "stack": None,
                "scale": {"domain": [0, 1]},
            },
            "x2": {"field": "to"},
            "color": _mood(),
            "description": {"field": "tip", "type": "nominal"},
        },
    }
    return {
        "hconcat": [volumes, polarity],
        "spacing": 12,
        "padding": ROOM,
        "resolve": {"scale": {"color": "independent"}},
    }


def _volumes(phases: Sequence[Stretch]) -> list[dict[str, Any]]:
    return [
        {
            "label": each.label,
            "tip": each.tip,
            "text": each.text,
            "kind": kind,
            "place": place,
            "count": count,
            "total": each.owned + each.external,
        }
        for each in phases
        for place, (kind, count) in enumerate((("owned", each.owned), ("external", each.external)))
    ]


def _polarities(phases: Sequence[Stretch]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in phases:
        start = 0.0
        for mood, (share, text) in each.moods.items():
            found.append(
                {
                    "label": each.label,
                    "tip": each.polarity_tip,
                    "mood": mood,
                    "from": start,
                    "to": start + share,
                    "middle": start + share / 2,
                    "text": text if share >= _LEAST_WITH_TEXT else "",
                }
            )
            start += share
        if not each.moods:  # the phase keeps its place
            found.append({"label": each.label, "tip": each.polarity_tip, "mood": "none", "from": 0, "to": 0})
    return found


def _control() -> dict[str, Any]:
    return {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": ["owned", "external"], "range": ["var(--accent)", "var(--external)"]},
    }


def _mood() -> dict[str, Any]:
    return {
        "field": "mood",
        "type": "nominal",
        "scale": {
            "domain": ["bad", "neutral", "good", "none"],
            "range": ["var(--bad)", "var(--neutral)", "var(--good)", "transparent"],
        },
    }
