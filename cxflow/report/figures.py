"""The figures of the page: values of the contents, worded and drawn. Called by the page's template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from cxflow.kpis.periods import Period
from cxflow.kpis.read import KpiValue
from cxflow.report import charts, journey_chart
from cxflow.report.cohorts import Cohort
from cxflow.report.contents import Contents
from cxflow.report.drawing import Spec, svg
from cxflow.report.indicators import Definition, Indicator, Slice
from cxflow.report.touchpoints import PhaseCount, Volume
from cxflow.report.wording import Words

HEATS = 6
"""Colours of the heat map."""
_NARROW_SHARE = 0.06
"""An axis of shares that spans less needs a decimal."""
LEAST_OF_TREND = 3
"""Values that make a line."""


class Range(NamedTuple):
    """Where an interval and its value lie on the common scale of their table, 0 to 100."""

    low: float | None
    high: float | None
    value: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Draws the figures of one report."""

    contents: Contents
    words: Words

    def sparkline(self, indicator: Indicator) -> Markup | None:
        """The trend of a KPI without axes; None if there are too few values."""
        if not self.has_trend(indicator):
            return None
        return self._svg(charts.sparkline(self._points(indicator)), self.trend_in_words(indicator))

    def trend(self, indicator: Indicator) -> Markup:
        """The trend of a KPI."""
        number_format, factor = self._axis(indicator)
        points = self._points(indicator, factor)
        return self._svg(charts.trend(points, number_format), self.trend_in_words(indicator))

    def unit(self, indicator: Indicator) -> str:
        """The unit of a trend's axis; empty if its numbers say it."""
        return self.words.axis_unit(indicator.definition, _largest(indicator))

    def has_trend(self, indicator: Indicator) -> bool:
        """Whether there are enough values for a line."""
        return sum(each is not None and each.value is not None for each in indicator.trend) >= LEAST_OF_TREND

    def trend_in_words(self, indicator: Indicator) -> str:
        """What the trend shows, for who does not see it."""
        kpi = indicator.definition
        periods = self.contents.edition.trend
        known = [
            (period, each.value)
            for period, each in zip(periods, indicator.trend, strict=True)
            if each is not None and each.value is not None
        ]
        numbers = [value for _, value in known]
        return self.words.say(
            "trend_summary",
            title=kpi.title,
            count=len(known),
            first=self.words.period(known[0][0]),
            last=self.words.period(known[-1][0]),
            lowest=self.words.value(kpi, min(numbers)),
            highest=self.words.value(kpi, max(numbers)),
            value=self.words.value(kpi, numbers[-1]),
        )

    def journey(self) -> tuple[Markup, Markup]:
        """The journey, for a wide place and a narrow one."""
        phases = [self._stretch(each) for each in self.contents.touchpoints.phases]
        wide, narrow = journey_chart.journey(phases, is_judged=self.contents.touchpoints.is_judged)
        described = "; ".join(each.tip for each in phases)
        return self._svg(wide, described), self._svg(narrow, described)

    def channels(self) -> tuple[Markup, Markup]:
        """Touchpoints by channel, for a wide place and a narrow one."""
        total = self.contents.touchpoints.volume.now
        rows = [
            self._bar(self.words.name(name), volume, self.share(volume.now, total))
            for name, volume in list(self.contents.touchpoints.channels.items())[:12]
            if volume.now or volume.before
        ]
        return self._bars(rows)

    def reasons(self) -> tuple[Markup, Markup]:
        """Support contacts by reason, for a wide place and a narrow one."""
        found = self.contents.touchpoints.reasons
        rows = [
            self._bar(self.words.name(each.reason), each.volume, self.share(each.volume.now, found.contacts))
            for each in found.most_frequent
        ]
        return self._bars(rows)

    def share(self, part: int, whole: int) -> str:
        """A part as a percentage; empty if there is no whole."""
        return self.words.percent(part / whole) if whole else ""

    def ranges(self, slices: Sequence[Slice]) -> list[Range | None]:
        """The place of each slice's value and interval on the scale of all of them; None without a value."""
        values = [each.value for each in slices]
        ends = [
            end
            for value in values
            if value is not None
            for end in (value.ci_low, value.value, value.ci_high)
            if end is not None
        ]
        if not ends:
            return [None for _ in slices]
        least, most = min(ends), max(ends)
        room = (most - least) or 1

        def place(number: float) -> float:
            return round(4 + 92 * (number - least) / room, 2)

        def placed(value: KpiValue | None) -> Range | None:
            if value is None or value.value is None:
                return None
            if value.ci_low is None or value.ci_high is None:
                return Range(None, None, place(value.value))
            return Range(place(value.ci_low), place(value.ci_high), place(value.value))

        return [placed(value) for value in values]

    def dimensions(self, indicators: Sequence[Indicator]) -> list[str]:
        """The dimensions that any of them has slices of, in the order in which they are met."""
        met = (name for each in indicators for name, slices in each.slices.items() if len(slices) > 1)
        return list(dict.fromkeys(met))

    def period_of(self, value: KpiValue) -> str:
        """The period of a value."""
        return self.words.period(Period(value.grain, value.period_start))

    def leaves_out_much(self, indicator: Indicator) -> bool:
        """Whether a KPI leaves out a larger share of the period's events than the settings accept in silence."""
        value = indicator.value
        if value is None or not value.left_out:
            return False
        return value.left_out > self.contents.max_left_out * (value.left_out + value.n)

    def cohort_ages(self, cohorts: Sequence[Cohort]) -> list[int]:
        """Months since the first order that any of the cohorts has a value of."""
        return sorted({age for cohort in cohorts for age in cohort.values})

    def definition(self, kpi: str) -> Definition:
        """The definition of a KPI that has values."""
        return next(each.definition for each in self.contents.indicators if each.definition.kpi == kpi)

    def heat(self, number: float, cohorts: Sequence[Cohort]) -> int:
        """How strongly a cell of a heat map is coloured, 0 to HEATS − 1, on the scale of its largest value."""
        return min(HEATS - 1, max(0, int(HEATS * number / (_hottest(cohorts) or 1))))

    def heat_decimals(self, cohorts: Sequence[Cohort]) -> int:
        """The decimals of percentages in a heat map: where none reaches 10 %, one tells them apart."""
        return 1 if _hottest(cohorts) < 0.1 else 0

    def _svg(self, spec: Spec, description: str) -> Markup:
        return svg(spec, description, self.contents.language)

    def _bars(self, rows: Sequence[charts.Bar]) -> tuple[Markup, Markup]:
        described = "; ".join(row.tip for row in rows)
        wide, narrow = charts.bars(rows, has_before=any(row.before for row in rows))
        return self._svg(wide, described), self._svg(narrow, described)

    def _bar(self, label: str, volume: Volume, share: str) -> charts.Bar:
        text = f"{self.words.count(volume.now)} · {share}" if share else self.words.count(volume.now)
        tip = f"{label}: {text}{self._before(volume)}"
        return charts.Bar(label, tip, volume.now, volume.before, text)

    def _before(self, volume: Volume) -> str:
        period = self.contents.edition.period
        if period is None or not volume.before:
            return ""
        return f" ({self.words.period(period.before)}: {self.words.count(volume.before)})"

    def _stretch(self, each: PhaseCount) -> journey_chart.Stretch:
        words, label = self.words, self.words.say(each.phase)
        tip = f"{label}: {words.count(each.volume.now)}{self._before(each.volume)}"
        if each.external:
            tip += f", {self.share(each.external, each.volume.now)} {words.say('external')}"
        moods: dict[str, tuple[float, str]] = {}
        polarity = each.polarity
        if polarity and polarity.judged:
            counts = (("bad", polarity.bad), ("neutral", polarity.neutral), ("good", polarity.good))
            moods = {
                name: (count / polarity.judged, self.share(count, polarity.judged)) for name, count in counts
            }
        return journey_chart.Stretch(
            label=label,
            tip=tip,
            owned=each.volume.now - each.external,
            external=each.external,
            text=words.count(each.volume.now),
            moods=moods,
            polarity_tip=self.polarity_in_words(each),
        )

    def polarity_in_words(self, each: PhaseCount) -> str:
        """How the experiences of a phase were."""
        polarity, label = each.polarity, self.words.say(each.phase)
        if polarity is None or not polarity.judged:
            return f"{label}: {self.words.say('not_judged')}"
        counts = {name: self.words.count(getattr(polarity, name)) for name in ("good", "neutral", "bad")}
        return self.words.say(
            "polarity_summary", phase=label, judged=self.words.count(polarity.judged), **counts
        )

    def _points(self, indicator: Indicator, factor: float = 1) -> list[charts.Point]:
        return [
            self._point(indicator.definition, period, each, factor)
            for period, each in zip(self.contents.edition.trend, indicator.trend, strict=True)
        ]

    def _point(self, kpi: Definition, period: Period, value: KpiValue | None, factor: float) -> charts.Point:
        label = self.words.short_period(period)
        if value is None or value.value is None:
            return charts.Point(label, "", None, None, None)
        tip = f"{self.words.period(period)}: {self.words.value(kpi, value.value)}"
        low, high = value.ci_low, value.ci_high
        if low is not None and high is not None:
            tip += f", {self.words.interval(kpi, value)}"
        tip += f", {self.words.say('n', n=self.words.count(value.n))}"

        def scaled(number: float | None) -> float | None:
            return None if number is None else number * factor

        return charts.Point(label, tip, scaled(value.value), scaled(low), scaled(high))

    def _axis(self, indicator: Indicator) -> tuple[str, float]:
        """How the axis of a trend writes its numbers, and what they are multiplied by."""
        ends = [
            end
            for each in indicator.trend
            if each is not None
            for end in (each.ci_low, each.value, each.ci_high)
            if end is not None
        ]
        span = max(ends, default=0) - min(ends, default=0)
        if indicator.definition.unit == "share":
            return (".1%" if span < _NARROW_SHARE else ".0%"), 1
        factor = self.words.factor(indicator.definition, _largest(indicator))
        decimals = next((places for places, least in ((0, 8), (1, 0.8)) if span * factor >= least), 2)
        return f",.{decimals}f", factor


def _largest(indicator: Indicator) -> float:
    known = [each.value for each in indicator.trend if each is not None and each.value is not None]
    return max(map(abs, known), default=0)


def _hottest(cohorts: Sequence[Cohort]) -> float:
    """The largest value of any cohort; 0 without one."""
    found = (value.value for cohort in cohorts for value in cohort.values.values())
    return max((value for value in found if value is not None), default=0.0)
