"""The words of both languages, and numbers as each writes them."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import cxflow.report
from cxflow.kpis import calculator, intervals, survival, totals
from cxflow.kpis.changes import Change
from cxflow.kpis.declared import KPIS
from cxflow.kpis.experience import differences, memory, omnichannel
from cxflow.kpis.periods import Period
from cxflow.report.indicators import Definition
from cxflow.report.masking import KINDS
from cxflow.report.phrases import Language, name
from cxflow.report.quality import OUTCOMES
from cxflow.report.touchpoints import PHASES
from cxflow.report.verbatims import MOODS
from cxflow.report.ways import GOALS
from cxflow.report.wording import Words
from cxflow.settings import Settings

FOLDER = Path(cxflow.report.__file__).parent
TABLE: Mapping[str, Any] = tomllib.loads((FOLDER / "phrases.toml").read_text())
EN, ES = (Words(language, "EUR", ZoneInfo("Europe/Madrid")) for language in ("en", "es"))
NBSP = "\u00a0"


def definition(unit: str, decimals: int = 1) -> Definition:
    return Definition(
        kpi="k",
        title="K",
        description="",
        formula="",
        formula_worded="",
        unit=unit,
        decimals=decimals,
        better="higher",
        interval_method="",
    )


@pytest.mark.parametrize(
    ("unit", "number", "english", "spanish"),
    [
        ("share", 0.7166, "71.7 %", "71,7 %"),
        ("points", -3.04, "−3.0", "−3,0"),
        ("points", -0.04, "0.0", "0,0"),
        ("seconds", 26.64, "26.6 s", "26,6 s"),
        ("seconds", 900, "15.0 min", "15,0 min"),
        ("minutes", 124.9, "125 min", "125 min"),
        ("minutes", 618, "10.3 h", "10,3 h"),
        ("days", 3.25, "3.2 days", "3,2 días"),
        ("project currency", 1234.56, "€1,234.6", "1.234,6 €"),
        ("per 100 orders", 57.31, "57.3", "57,3"),
        ("visits", 1234567.0, "1,234,567.0 visits", "1.234.567,0 visits"),
    ],
)
def test_a_value_has_its_unit_as_its_language_writes_it(
    unit: str, number: float, english: str, spanish: str
) -> None:
    found = [words.value(definition(unit), number).replace(NBSP, " ") for words in (EN, ES)]
    assert found == [english, spanish]


def test_a_difference_of_shares_is_in_percentage_points() -> None:
    worded = ES.difference(definition("share"), Change(0.061, -0.002, 0.094, 0.06), 0.5).replace(NBSP, " ")
    assert worded == "+6,1 pp (de −0,2 pp a +9,4 pp)"


def test_a_difference_of_times_is_in_the_unit_of_the_value() -> None:
    assert EN.difference(definition("minutes"), Change(30, -6, 66, 0.1), 600).replace(NBSP, " ") == (
        "+0.5 h (−0.1 h to +1.1 h)"
    )


@pytest.mark.parametrize(
    ("period", "english", "spanish"),
    [
        (Period("month", date(2026, 3, 1)), "March 2026", "marzo de 2026"),
        (Period("quarter", date(2026, 4, 1)), "Q2 2026", "2.º trimestre de 2026"),
        (Period("week", date(2026, 3, 2)), "week of 2 March 2026", "semana del 2 de marzo de 2026"),
        (Period("year", date(2026, 1, 1)), "2026", "2026"),
        (Period("day", date(2026, 3, 25)), "25 March 2026", "25 de marzo de 2026"),
    ],
)
def test_a_period_is_named(period: Period, english: str, spanish: str) -> None:
    assert [words.period(period) for words in (EN, ES)] == [english, spanish]


def test_an_instant_is_told_in_the_projects_time_zone() -> None:
    assert ES.moment(datetime(2026, 3, 31, 22, 5, tzinfo=UTC)) == "1 de abril de 2026, 00:05"


def test_names_are_translated_or_shown_as_they_are() -> None:
    assert name("es", "late_delivery") == "Entrega con retraso"
    assert name("es", "wrong_size") == "Wrong size"
    assert name("en", "VIP desk") == "VIP desk"
    assert ES.name("(other)") == "(otros)"
    assert EN.name("two\nlines\x1b") == r"Two\nlines\x1b"


def test_every_phrase_is_in_both_languages_with_the_same_placeholders() -> None:
    for key, texts in {**TABLE["phrases"], **TABLE["names"]}.items():
        assert len(texts) == 2, key
        english, spanish = (
            {field for _, field, _, _ in string.Formatter().parse(text) if field} for text in texts
        )
        assert english == spanish, key
        assert all(text.strip() == text and text for text in texts), key


@pytest.mark.parametrize("language", ["en", "es"])
def test_there_are_twelve_months(language: Language) -> None:
    assert len(set(TABLE["months"][language])) == 12


def test_every_phrase_is_used_and_every_used_phrase_is_there() -> None:
    sources = (*FOLDER.glob("*.py"), *FOLDER.glob("templates/*.html"))
    text = "\n".join(path.read_text() for path in sources)
    said = set(re.findall(r"""say\(\s*["']([^"']+)["']\s*[,)]""", text))
    made = {*PHASES, *OUTCOMES, *(f"mood_{mood}" for mood in MOODS), "better_higher", "better_lower"}
    made |= {f"before_{goal}" for goal in GOALS}
    assert said | made <= TABLE["phrases"].keys()
    quoted = set(re.findall(r"""["']([\w ]+)["']""", text))
    of_data = {
        "per 100 orders",
        "channel",
        "source",
        "segment",
        "reason",
        *(f"mask_{kind}" for kind in KINDS),
    }
    assert TABLE["phrases"].keys() - quoted - made - of_data == set()


@pytest.mark.parametrize(
    ("hours", "told"),
    [(0.25, "15 min"), (1, "1 h"), (47.4, "47 h"), (48, "2 days"), (720, "30 days"), (None, "")],
)
def test_a_duration_is_told_in_the_unit_that_says_it_shortest(hours: float | None, told: str) -> None:
    assert Words("en", "EUR", ZoneInfo("UTC")).duration(hours).replace("\u00a0", " ") == told


def test_all_that_built_in_kpis_say_is_known_in_spanish() -> None:
    plain = Settings.model_validate({})
    timed = Settings.model_validate({"kpis": {"sla": {"first_reply_minutes": 60, "clock": "business"}}})
    said = {kpi.estimator(plain).method for kpi in KPIS} | {kpi.counts for kpi in KPIS} - {""}
    said |= {why for kpi in KPIS for settings in (plain, timed) if (why := kpi.lacks(settings))}
    said |= {intervals.TOO_FEW, intervals.ALIKE, totals.ALL_COUNTED, survival.NOT_REACHED, memory.EMPTY_BAND}
    said |= {differences.TOO_FEW, differences.NOTHING_TO_COMPARE, differences.ALIKE}
    said |= {omnichannel.TOO_FEW, omnichannel.NO_COMPARISON, calculator._TOO_LARGE}
    assert len(said) > 45
    assert [each for each in sorted(said) if ES.said(each) == each] == []
    assert [each for each in sorted(said) if EN.said(each) != each] == []


@pytest.mark.parametrize(
    ("note", "english", "spanish"),
    [
        ("all counted: no interval", "all counted: no interval", "se cuenta todo: sin intervalo"),
        (intervals.SKEWED, "too skewed for an interval", "demasiado asimétrico para un intervalo"),
        (None, "no interval", "sin intervalo"),
        ("a plugin's note", "a plugin's note", "a plugin's note"),
    ],
)
def test_why_a_value_has_no_interval(note: str | None, english: str, spanish: str) -> None:
    value: Any = SimpleNamespace(value=4.5, ci_low=None, ci_high=None, interval_note=note)
    assert [words.interval(definition("points"), value) for words in (EN, ES)] == [english, spanish]
