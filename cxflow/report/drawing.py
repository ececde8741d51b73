"""Draws Vega-Lite charts as SVG for the page, without a browser. Called by `charts`; alone knows vl-convert.

Colours are CSS variables of the page, so that one drawing serves light, dark and paper.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, Literal

import vl_convert
from markupsafe import Markup

from cxflow.report.phrases import Language

_VEGA_LITE = "6.4"
_SVG = "http://www.w3.org/2000/svg"
_LOCALES: Mapping[Language, Literal["en-US", "es-ES"]] = {"en": "en-US", "es": "es-ES"}
_CONFIG: Mapping[str, Any] = {
    "background": None,
    "font": "sans-serif",
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "grid": False,
        "labelColor": "var(--muted)",
        "labelFontSize": 12,
        "labelPadding": 6,
        "labelLimit": 150,
        "title": None,
    },
    "axisQuantitative": {"grid": True, "gridColor": "var(--line)", "tickCount": 4},
    "text": {"color": "var(--text)", "fontSize": 12},
    "legend": {"disable": True},
}
_SPEECH = ("role", "aria-roledescription", "aria-hidden", "pointer-events")
"""What Vega tells screen readers of each mark. The page describes the chart as a whole, and has its table."""

_PLACES = {"d", "transform", "x", "x2", "y", "y2", "width", "height"}
_LONG = re.compile(r"\d+\.\d{3,}")

Spec = Mapping[str, Any]


def svg(spec: Spec, description: str, language: Language) -> Markup:
    """A chart as an SVG element that scales with its container. `description`: what it shows, for who cannot see it.

    Marks whose `description` channel is set have it as `data-tip`.
    """
    drawn = vl_convert.vegalite_to_svg(
        {"config": _CONFIG, **spec}, vl_version=_VEGA_LITE, format_locale=_LOCALES[language]
    )
    root = ET.fromstring(drawn)
    _tidy(root)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "width": root.attrib["width"],
        "height": root.attrib["height"],
        "class": "chart",
        "role": "img",
        "aria-label": description,
    }
    text = ET.tostring(root, encoding="unicode")
    text = text.replace(f' xmlns:ns0="{_SVG}"', "").replace("<ns0:", "<").replace("</ns0:", "</")
    return Markup(text)


def _tidy(element: ET.Element) -> None:
    """Remove what neither shows nor tells anything, and keep the texts of marks as tips."""
    for child in list(element):
        _tidy(child)
        if not len(child) and not child.text and _is_invisible(child):
            element.remove(child)
    tip = element.attrib.pop("aria-label", None)
    if tip and element.attrib.get("role") == "graphics-symbol" and element.tag != f"{{{_SVG}}}g":
        element.attrib["data-tip"] = tip
    for name in _SPEECH:
        element.attrib.pop(name, None)
    for name in _PLACES & element.attrib.keys():  # to a hundredth of a pixel
        element.attrib[name] = _LONG.sub(lambda match: f"{float(match[0]):.2f}", element.attrib[name])
    element.attrib.pop("class", None)
    if element.attrib.get("opacity") == "1":
        del element.attrib["opacity"]
    element.attrib.pop("font-family", None)  # the page's own
    if element.attrib.get("opacity") == "0":  # a label that overlaps another
        element.text = None


def _is_invisible(element: ET.Element) -> bool:
    if element.tag == f"{{{_SVG}}}g":
        return True
    drawn = {"fill", "stroke"} & element.attrib.keys()
    return (
        element.attrib.get("opacity") == "0"
        or element.attrib.get("display") == "none"
        or (element.tag == f"{{{_SVG}}}path" and not drawn)
    )
