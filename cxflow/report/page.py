"""The page: one HTML file with its style, its script and its drawings in it, and no address of anything outside.

Called by the command line.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from cxflow.report.cohorts import RETENTION
from cxflow.report.contents import Contents
from cxflow.report.figures import Figures
from cxflow.report.indicators import Indicator, headlines
from cxflow.report.quality import OUTCOMES
from cxflow.report.verbatims import MOODS
from cxflow.report.wording import Words
from cxflow.visible import visible

_TEMPLATES = files(__package__) / "templates"
MOST_TRENDS = 6


def render(contents: Contents) -> str:
    """The whole page. Texts of the data are escaped by the template engine, and their control characters are shown."""
    edition = contents.edition
    words = Words(contents.language, edition.currency, edition.zone)
    figures = Figures(contents, words)
    tiles = headlines(contents.indicators)
    style, script = (_read(name).strip() for name in ("page.css", "page.js"))
    return (
        _environment()
        .get_template("page.html")
        .render(
            c=contents,
            w=words,
            say=words.say,
            figures=figures,
            newer="; ".join(map(words.period, edition.newer)),
            outcomes=OUTCOMES,
            tiles=tiles,
            trends=[each for each in tiles if figures.has_trend(each)][:MOST_TRENDS],
            sliced=[each for each in tiles if any(len(slices) > 1 for slices in each.slices.values())],
            known=[each for each in contents.indicators if not each.is_absent],
            changes=_by_verdict(contents.indicators),
            missing=_missing(contents, words, figures),
            moods=MOODS,
            version=_version(),
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def _environment() -> Environment:
    found = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["visible"] = visible
    return found


def _read(name: str) -> str:
    return _TEMPLATES.joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What the page's policy calls a style or a script that it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _version() -> str:
    try:
        return version("cxflow-framework")
    except PackageNotFoundError:
        return ""


def _by_verdict(indicators: Sequence[Indicator]) -> dict[str, list[Indicator]]:
    """better, worse, other and same to the KPIs whose change is that; open to those that may still change."""
    found: dict[str, list[Indicator]] = {"better": [], "worse": [], "other": [], "same": [], "open": []}
    for each in indicators:
        if each.is_open and each.value is not None and each.value.value is not None:
            found["open"].append(each)
        if each.verdict is not None:
            found["other" if each.verdict in ("higher", "lower") else each.verdict].append(each)
    return found


def _missing(contents: Contents, words: Words, figures: Figures) -> list[str]:
    """What the report would show if the warehouse had it, a sentence each."""
    if contents.edition.period is None:
        return []
    touchpoints = contents.touchpoints
    lacking = {
        "missing_trends": not any(figures.has_trend(each) for each in contents.indicators),
        "missing_touchpoints": not touchpoints.volume.now,
        "missing_polarity": bool(touchpoints.volume.now) and not touchpoints.is_judged,
        "missing_reasons": not touchpoints.reasons.most_frequent,
        "missing_ways": not contents.ways,
        "missing_cohorts": not contents.cohorts,
        "missing_slices": not any(any(map(bool, each.slices.values())) for each in contents.indicators),
        "missing_voices": contents.verbatims == (),
    }
    found = [
        words.say(key, kpi=RETENTION, min_n=words.count(contents.min_n))
        for key, is_lacking in lacking.items()
        if is_lacking
    ]
    by_reason: dict[str, list[str]] = {}
    for each in contents.indicators:
        if each.is_absent:
            by_reason.setdefault(words.why_absent(each), []).append(each.definition.title)
    return found + [
        words.say("missing_kpis", kpis=", ".join(titles), reason=reason)
        for reason, titles in by_reason.items()
    ]
