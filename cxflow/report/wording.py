"""Words of one language: numbers with their units, dates, periods, intervals, and why there is no value. Used by the
page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from cxflow.kpis.changes import Change
from cxflow.kpis.cohorts import BY_AGE
from cxflow.kpis.periods import Grain, Period
from cxflow.kpis.read import KpiValue
from cxflow.kpis.slices import OTHER
from cxflow.kpis.status import NO_ROWS, NOTHING
from cxflow.report.indicators import Definition, Indicator
from cxflow.report.phrases import Language, is_known, month, name, phrase, said
from cxflow.visible import one_line

_HOURS_FROM = 180
"""Minutes from which on a time is told in hours."""
_MINUTES_FROM = 600
"""Seconds from which on a time is told in minutes."""
_WHOLE_FROM = 100
"""Times from this number of their unit on are told without decimals."""
_SPACE = "\u00a0"
"""Does not break: a number stays with its unit."""
_MINUS = "−"
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "BRL": "R$", "JPY": "¥"}


@dataclass(frozen=True, slots=True)
class Words:
    """How one report words its values."""

    language: Language
    currency: str
    """ISO 4217."""
    zone: ZoneInfo

    def say(self, key: str, **values: object) -> str:
        """A phrase of the table."""
        return phrase(self.language, key, **values)

    def said(self, english: str) -> str:
        """What the warehouse says of a KPI."""
        return said(self.language, english)

    def name(self, raw: str) -> str:
        """The name of a channel, an activity, a reason or a slice, for display."""
        return self.say("other_slices") if raw == OTHER else name(self.language, one_line(raw))

    def label(self, raw: str) -> str:
        """The name of a dimension, in lower case."""
        key = raw.removeprefix("signal.")
        return self.say(key).lower() if is_known(key) else key.replace("_", " ")

    def count(self, number: int) -> str:
        """A whole number with separators of thousands."""
        return self.number(number, 0)

    def number(self, number: float, decimals: int) -> str:
        """A number with separators, never −0."""
        rounded = round(number, decimals)
        text = f"{abs(rounded):,.{decimals}f}"
        if self.language == "es":
            text = text.translate(str.maketrans(",.", ".,"))
        return f"{_MINUS}{text}" if rounded < 0 else text

    def plain(self, number: float) -> str:
        """A number as short as it can be: 4, 4.5."""
        return self.number(number, 0 if number == int(number) else 1)

    def percent(self, share: float, decimals: int = 0) -> str:
        """A share, 0 to 1, as a percentage."""
        return f"{self.number(100 * share, decimals)}{_SPACE}%"

    def duration(self, hours: float | None) -> str:
        """A time in minutes, hours or days, whichever says it shortest; empty if it is not known."""
        if hours is None:
            return ""
        unit, number = (
            ("minutes", 60 * hours) if hours < 1 else ("hours", hours) if hours < 48 else ("days", hours / 24)
        )
        return f"{self.number(number, 0)}{_SPACE}{self.say(f'{unit}_short')}"

    def value(self, kpi: Definition, number: float) -> str:
        """A value of a KPI with its unit."""
        return self._with_unit(kpi, number, number)

    def interval(self, kpi: Definition, value: KpiValue) -> str:
        """The interval of a value, in its unit; or why it has none."""
        if value.value is None or value.ci_low is None or value.ci_high is None:
            note = value.interval_note or ""
            if not note or note.startswith("skewed"):
                return self.say("skewed" if note else "no_interval")
            return self.said(note)
        low, high = (self._with_unit(kpi, end, value.value) for end in (value.ci_low, value.ci_high))
        return self.say("interval", low=low, high=high)

    def difference(self, kpi: Definition, found: Change, value: float) -> str:
        """How a value differs from the one before, with the interval of the difference, in the value's unit; of shares
        in percentage points."""
        ends = (found.difference, found.low, found.high)
        difference, low, high = (self._signed(kpi, end, value) for end in ends)
        return self.say("difference", difference=difference, low=low, high=high)

    def why_none(self, value: KpiValue | None, min_n: int) -> str:
        """Why there is no value."""
        if value is None:
            return self.say("not_published")
        if not value.n:
            return self.say("nothing_to_count")
        if value.is_suppressed:
            return self.say("too_few", n=self.count(value.n), min_n=self.count(min_n))
        if value.interval_note == BY_AGE:
            return self.say("by_age_only")
        return self.say("no_denominator")

    def why_absent(self, indicator: Indicator) -> str:
        """Why a KPI has no value in any period; in English where the table has no words for it."""
        reason, definition = indicator.absence, indicator.definition
        if reason == NOTHING + definition.formula:
            return self.say("absent_events", what=definition.formula_worded)
        if reason.startswith(NOTHING):
            return self.say("absent_events", what=self.said(reason.removeprefix(NOTHING)))
        if reason.startswith(NO_ROWS):
            return self.say("absent_rows", table=reason.removeprefix(NO_ROWS))
        return self.said(reason)

    def period(self, period: Period) -> str:
        """A period: March 2026, Q1 2026, week of 2 March 2026."""
        start = period.start
        match period.grain:
            case "year":
                return str(start.year)
            case "quarter":
                return self.say("quarter_of", number=(start.month + 2) // 3, year=start.year)
            case "month":
                return self.month(start)
            case "week":
                return self.say("week_of", day=self.day(start))
            case _:
                return self.day(start)

    def short_period(self, period: Period) -> str:
        """A period on an axis: Mar 2026, Q1 2026, 2 Mar."""
        start = period.start
        short = month(self.language, start.month)[:3]
        match period.grain:
            case "month":
                return f"{short} {start.year}"
            case "week" | "day":
                return f"{start.day} {short}"
            case _:
                return self.period(period)

    def grain(self, grain: Grain) -> str:
        """day, week, month, quarter or year."""
        return self.say(grain)

    def month(self, start: date) -> str:
        """March 2026."""
        return self.say("month_of", month=month(self.language, start.month), year=start.year)

    def day(self, day: date) -> str:
        """2 March 2026."""
        return self.say("day_of", day=day.day, month=month(self.language, day.month), year=day.year)

    def moment(self, instant: datetime) -> str:
        """2 March 2026, 14:05, in the project's time zone."""
        local = instant.astimezone(self.zone)
        return f"{self.day(local.date())}, {local:%H:%M}"

    def short_moment(self, instant: datetime) -> str:
        """2 Mar 2026, 14:05, in the project's time zone."""
        local = instant.astimezone(self.zone)
        return f"{local.day} {month(self.language, local.month)[:3]} {local.year}, {local:%H:%M}"

    def _with_unit(self, kpi: Definition, number: float, like: float) -> str:
        """A number with its unit, in the unit and with the decimals that `like` has: the value that it belongs to."""
        decimals = kpi.decimals
        match kpi.unit:
            case "share":
                return self.percent(number, decimals)
            case "points":
                return self.number(number, decimals)
            case "seconds" | "minutes":
                factor = self.factor(kpi, like)
                decimals = 0 if abs(like) * factor >= _WHOLE_FROM else decimals
                return f"{self.number(number * factor, decimals)}{_SPACE}{self._unit_of_time(kpi, like)}"
            case "days":
                return f"{self.number(number, decimals)}{_SPACE}{self.say('days_short')}"
            case "project currency":
                return self._money(number, decimals)
            case "per 100 orders":
                return self.number(number, decimals)
            case unit:
                return f"{self.number(number, decimals)}{_SPACE}{unit}".rstrip()

    def factor(self, kpi: Definition, largest: float) -> float:
        """What the numbers of a row or an axis are multiplied by, if this is the largest: long times are told in the
        next unit."""
        limit = {"seconds": _MINUTES_FROM, "minutes": _HOURS_FROM}.get(kpi.unit)
        return 1 / 60 if limit is not None and abs(largest) >= limit else 1

    def axis_unit(self, kpi: Definition, largest: float) -> str:
        """The unit of an axis; empty if its numbers say it."""
        match kpi.unit:
            case "share" | "points":
                return ""
            case "seconds" | "minutes":
                return self._unit_of_time(kpi, largest)
            case "project currency":
                return self.currency
            case "days":
                return self.say("days_short")
            case unit:
                return self.say(unit) if is_known(unit) else unit

    def _unit_of_time(self, kpi: Definition, largest: float) -> str:
        is_next = self.factor(kpi, largest) != 1
        if kpi.unit == "seconds":
            return self.say("minutes_short") if is_next else "s"
        return self.say("hours_short" if is_next else "minutes_short")

    def _money(self, number: float, decimals: int) -> str:
        text, symbol = self.number(number, decimals), _SYMBOLS.get(self.currency, self.currency)
        if self.language == "es" or symbol == self.currency:
            return f"{text}{_SPACE}{symbol}"
        return f"{_MINUS}{symbol}{text.removeprefix(_MINUS)}" if number < 0 else f"{symbol}{text}"

    def _signed(self, kpi: Definition, number: float, like: float) -> str:
        if kpi.unit == "share":
            text = f"{self.number(100 * number, kpi.decimals)}{_SPACE}{self.say('percentage_points')}"
        else:
            text = self._with_unit(kpi, number, like)
        return text if text.startswith(_MINUS) or number <= 0 else f"+{text}"
