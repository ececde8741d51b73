"""Which period a report is about: rules alone, over made values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cxflow.errors import ConfigError
from cxflow.kpis.periods import Grain, Period, parse_period
from cxflow.kpis.read import KpiValue
from cxflow.report.edition import Edition, choose
from cxflow.settings import Settings

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def value(kpi: str, grain: Grain, start: date, number: float | None = 1.0) -> KpiValue:
    nothing: dict[str, Any] = dict.fromkeys(field.name for field in fields(KpiValue))
    cell = {"kpi": kpi, "grain": grain, "period_start": start}
    return KpiValue(**nothing | cell | {"n": 3 if number is None else 20, "value": number})


def chosen(
    values: Mapping[Grain, Sequence[KpiValue]],
    known: datetime | None,
    asked: Period | None = None,
    zone: str = "UTC",
) -> Edition:
    settings = Settings.model_validate({"project": {"timezone": zone}})
    return choose(
        settings, lambda grain: values.get(grain, ()), known=known, now=NOW, as_of=None, asked=asked
    )


def months(*numbers: int) -> list[KpiValue]:
    return [value("nps", "month", date(2026, number, 1)) for number in numbers]


def test_the_running_month_is_no_fact_even_on_its_last_day() -> None:
    values: Mapping[Grain, Sequence[KpiValue]] = {"month": months(1, 2, 3)}
    assert chosen(values, datetime(2026, 3, 31, 23, 59, tzinfo=UTC)).period == Period(
        "month", date(2026, 2, 1)
    )
    assert chosen(values, datetime(2026, 4, 1, tzinfo=UTC)).period == Period("month", date(2026, 3, 1))


def test_a_month_is_over_in_the_projects_time_zone() -> None:
    known = datetime(2026, 3, 31, 22, tzinfo=UTC)  # midnight in Madrid's summer
    values: Mapping[Grain, Sequence[KpiValue]] = {"month": months(2, 3)}
    assert chosen(values, known, zone="Europe/Madrid").period == Period("month", date(2026, 3, 1))
    assert chosen(values, known, zone="UTC").period == Period("month", date(2026, 2, 1))


def test_a_tail_in_which_most_kpis_have_no_value_is_not_the_newest_month() -> None:
    kpis = ("nps", "csat", "ces")
    full = [value(kpi, "month", date(2026, month, 1)) for kpi in kpis for month in (1, 2)]
    tail = [value("nps", "month", date(2026, 3, 1)), value("csat", "month", date(2026, 3, 1), None)]
    found = chosen({"month": [*full, *tail]}, NOW)
    assert found.period == Period("month", date(2026, 2, 1))
    assert found.newer == (Period("month", date(2026, 3, 1)),)


def test_before_a_month_is_over_weeks_and_days_are_told() -> None:
    weeks = [value("nps", "week", date(2026, 3, 2))]
    days = [value("nps", "day", date(2026, 3, 2))]
    known = datetime(2026, 3, 9, tzinfo=UTC)
    running = months(3)
    assert chosen({"month": running, "week": weeks, "day": days}, known).period == Period(
        "week", date(2026, 3, 2)
    )
    assert chosen({"month": running, "day": days}, datetime(2026, 3, 3, tzinfo=UTC)).period == Period(
        "day", date(2026, 3, 2)
    )
    assert chosen({"month": running}, datetime(2026, 3, 3, tzinfo=UTC)).period is None


def test_nothing_loaded_is_no_period() -> None:
    assert chosen({}, None).period is None
    assert chosen({"month": months(1)}, None).period is None


def test_a_trend_of_few_months_is_told_in_weeks_that_are_over() -> None:
    weeks = [
        value("nps", "week", date.fromordinal(date(2026, 1, 5).toordinal() + 7 * week)) for week in range(14)
    ]
    found = chosen({"month": months(1, 2, 3), "week": weeks}, datetime(2026, 4, 20, tzinfo=UTC))
    assert {period.grain for period in found.trend} == {"week"}
    # 30 March to 5 April ends after the month.
    assert (found.trend[0].start, found.trend[-1].start, len(found.trend)) == (
        date(2026, 1, 5),
        date(2026, 3, 23),
        12,
    )


def test_a_trend_of_many_months_is_the_last_thirteen_with_its_gaps() -> None:
    starts = [date(2025 + month // 12, month % 12 + 1, 1) for month in range(15) if month != 10]
    values = [value("nps", "month", start) for start in starts]
    found = chosen({"month": values}, datetime(2026, 4, 1, tzinfo=UTC))
    assert len(found.trend) == 13
    assert (found.trend[0].start, found.trend[-1].start) == (date(2025, 3, 1), date(2026, 3, 1))
    assert date(2025, 11, 1) in [period.start for period in found.trend]


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("2026", Period("year", date(2026, 1, 1))),
        ("2026-Q3", Period("quarter", date(2026, 7, 1))),
        ("2026-03", Period("month", date(2026, 3, 1))),
        ("2026-W10", Period("week", date(2026, 3, 2))),
        ("2026-03-25", Period("day", date(2026, 3, 25))),
    ],
)
def test_a_period_is_written_as_iso_writes_it(text: str, period: Period) -> None:
    assert parse_period(text) == period


@pytest.mark.parametrize("text", ["", "march", "2026-13", "2026-Q5", "2026-W60", "2026-02-30", "03/2026"])
def test_another_text_is_no_period(text: str) -> None:
    with pytest.raises(ConfigError, match="--period"):
        parse_period(text)


def test_the_period_before_crosses_years() -> None:
    assert Period("month", date(2026, 1, 1)).before == Period("month", date(2025, 12, 1))
    assert Period("quarter", date(2026, 1, 1)).before == Period("quarter", date(2025, 10, 1))
    assert Period("week", date(2026, 1, 5)).before == Period("week", date(2025, 12, 29))
