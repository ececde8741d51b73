"""What the report reads of a warehouse, on both databases."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa
from small_company import (
    FEBRUARY,
    FEBRUARY_TOUCHPOINTS,
    FIRST_OF_MARCH,
    MARCH,
    MARCH_TOUCHPOINTS,
    SCRIPT,
    SECRETS,
    Company,
    at,
)

from cxflow.errors import ConfigError
from cxflow.kpis.cells import KEY
from cxflow.kpis.experience.paths import Path, Paths, Step
from cxflow.kpis.periods import Period
from cxflow.report.contents import Contents, read_all
from cxflow.report.indicators import Indicator
from cxflow.report.touchpoints import Polarity, Volume
from cxflow.warehouse.tables import kpi_definition, kpi_value, survey_response, touchpoint_judgement


def indicator(contents: Contents, kpi: str) -> Indicator:
    return next(each for each in contents.indicators if each.definition.kpi == kpi)


def test_the_newest_month_that_is_over_is_shown_and_the_running_one_is_not(contents: Contents) -> None:
    assert contents.edition.period == Period("month", FIRST_OF_MARCH)
    assert not contents.edition.newer
    assert all(period.end <= date(2026, 4, 1) for period in contents.edition.trend)


def test_a_kpi_has_its_value_the_one_before_and_a_change_if_chance_does_not_explain_it(
    contents: Contents,
) -> None:
    nps = indicator(contents, "nps")
    assert nps.value is not None
    assert nps.before is not None
    assert (nps.value.value, nps.value.n, nps.before.value) == (pytest.approx(20), 120, pytest.approx(-25))
    assert nps.change is not None
    assert nps.change.difference == pytest.approx(45)
    assert nps.change.low > 0
    assert nps.comparison.is_called
    assert nps.verdict == "better"


def test_equal_values_are_no_change(contents: Contents) -> None:
    orders = indicator(contents, "average_order_value")  # the same orders every month
    assert orders.change is not None
    assert orders.change.difference == pytest.approx(0)
    assert orders.verdict == "same"


def test_a_value_that_still_grows_is_not_compared(company: Company, contents: Contents) -> None:
    nps = indicator(contents, "nps").definition
    assert not nps.is_open
    formulas = {each.definition.kpi: each.definition.formula for each in contents.indicators}
    growing = {each.definition.kpi for each in contents.indicators if each.definition.is_open}
    assert growing == {kpi for kpi, formula in formulas.items() if "so far" in formula}
    for each in contents.indicators:
        assert each.change is None or not each.definition.is_open


def test_a_difference_that_chance_explains_among_all_that_are_compared_is_none(company: Company) -> None:
    # By itself, +45 points of 40 answers each has an interval over zero.
    company.connection.execute(sa.delete(survey_response))
    company.nps(FEBRUARY, 10, 10, 20)
    company.nps(MARCH, 20, 8, 12)
    company.compute("nps")
    nps = indicator(read_all(company.connection, company.settings), "nps")
    company.connection.rollback()
    assert nps.change is not None
    assert nps.change.low > 0
    assert nps.verdict == "same"


def test_too_few_observations_stay_suppressed(contents: Contents) -> None:
    rating = indicator(contents, "review_rating")
    assert rating.value is not None
    assert (rating.value.n, rating.value.value, rating.value.is_suppressed) == (6, None, True)
    assert rating.verdict is None


def test_a_kpi_without_events_says_why(contents: Contents) -> None:
    calls = indicator(contents, "abandonment_rate")
    assert calls.is_absent
    assert "interaction" in calls.absence


def test_a_source_that_is_not_loaded_up_to_the_periods_end_is_pointed_out(contents: Contents) -> None:
    assert indicator(contents, "nps").late == ("surveys",)
    assert indicator(contents, "average_order_value").late == ()


def test_touchpoints_are_counted_by_phase_channel_and_period(contents: Contents) -> None:
    found = contents.touchpoints
    assert found.volume == Volume(MARCH_TOUCHPOINTS, FEBRUARY_TOUCHPOINTS)
    assert {each.phase: each.volume.now for each in found.phases} == {
        "awareness": 50,
        "consideration": 7,  # an activity of the company's own, before the purchase
        "purchase": 30,
        "delivery": 0,
        "service": 42,
        "advocacy": 6,
    }
    assert {each.phase: each.external for each in found.phases}["advocacy"] == 6
    assert {name: each.now for name, each in found.channels.items()} == {
        "web": 80,
        "phone": 30,
        SCRIPT: 12,
        "store": 7,
        "review_site": 6,
    }
    assert next(iter(found.channels)) == "web"


def test_reasons_are_those_of_support_contacts_and_the_unknown_is_counted(contents: Contents) -> None:
    found = contents.touchpoints.reasons
    assert [
        (each.reason, each.volume.now, each.volume.before, each.by_phone) for each in found.most_frequent
    ] == [
        ("late_delivery", 20, 15, 20),
        (SCRIPT, 12, 0, 0),
    ]
    assert (found.unknown.now, found.other_reasons, found.contacts) == (10, 0, 42)


def test_two_hundred_reasons_are_the_largest_and_the_rest(company: Company) -> None:
    for number in range(200):
        count = 30 if number < 3 else 1
        company.touchpoints(MARCH, count, "called_support", "phone", reason=f"reason {number:03}")
    found = read_all(company.connection, company.settings).touchpoints.reasons
    company.connection.rollback()
    names = [each.reason for each in found.most_frequent]
    assert names[:4] == ["reason 000", "reason 001", "reason 002", "late_delivery"]
    assert len(names) == 12
    assert found.other_reasons == 202 - 12
    assert sum(each.volume.now for each in found.most_frequent) + found.others.now == 32 + 3 * 30 + 197


def test_texts_are_the_newest_of_each_mood_masked_and_counted(contents: Contents) -> None:
    assert contents.verbatims is not None
    texts = {each.text: each for each in contents.verbatims}
    assert [each.mood for each in contents.verbatims] == ["bad", "bad", "middle", "good", "good"]
    assert not [secret for secret in SECRETS for text in texts if secret.lower() in text.lower()]
    assert texts["It was all right, [name] helped a little."].mood == "middle"
    assert texts["Will buy again; I will tell everybody."].language == "en"  # a name of somebody, and a word
    assert texts["¡Genial! Llegó a tiempo y la atención fue estupenda."].times == 2


def test_the_books_say_what_became_of_every_record(contents: Contents) -> None:
    quality = contents.quality
    shop, surveys = quality.books
    assert (shop.source, shop.extracted, shop.outcomes, shop.is_open) == (
        "shop",
        100,
        (70, 10, 5, 3, 2, 10),
        7,
    )
    assert shop.balances
    assert surveys.extracted == 160  # the stopped batch loaded nothing
    assert (surveys.is_stopped, surveys.is_behind, shop.is_stopped, shop.is_behind) == (
        True,
        True,
        False,
        False,
    )
    assert [(each.rule, each.records) for each in quality.refusals] == [("email_plausible", 7)]


def test_a_period_can_be_chosen_unless_it_is_not_over(company: Company) -> None:
    asked = Period("month", date(2026, 2, 1))
    found = read_all(company.connection, company.settings, asked=asked)
    assert found.edition.period == asked
    nps = indicator(found, "nps")
    assert nps.value is not None
    assert nps.value.value == pytest.approx(-25)
    with pytest.raises(ConfigError, match="not over"):
        read_all(company.connection, company.settings, asked=Period("month", date(2026, 4, 1)))


def test_before_anything_was_published_there_is_nothing_to_show(company: Company) -> None:
    found = read_all(company.connection, company.settings, as_of=at(4, 9))
    assert found.edition.period is None
    assert found.touchpoints.volume.now == 0


def test_judged_touchpoints_give_each_phase_its_polarity(company: Company) -> None:
    connection = company.connection
    connection.execute(sa.delete(touchpoint_judgement))
    assert not read_all(connection, company.settings).touchpoints.is_judged
    rows = [
        *[("wrote_review", 1, True)] * 3,
        ("wrote_review", 0, True),
        *[("wrote_review", -1, True)] * 2,
        ("wrote_review", -1, False),  # another judgement of the same experience counts
        ("wrote_review", None, True),  # unjudged, which is not neutral
        *[(None, -1, True)] * 4,  # a late delivery: nobody touched anything
    ]
    names = ("activity", "polarity", "is_counted")
    connection.execute(
        sa.insert(touchpoint_judgement),
        [
            {
                "judgement_id": f"j{number}",
                "source_system": "desk",
                "control": "owned",
                "occurred_at": at(MARCH, 9),
                "journey_stage": "after",
                **dict(zip(names, row, strict=True)),
            }
            for number, row in enumerate(rows)
        ],
    )
    found = read_all(connection, company.settings).touchpoints
    polarity = {each.phase: each.polarity for each in found.phases}
    connection.rollback()
    assert found.is_judged
    assert polarity["advocacy"] == Polarity(good=3, neutral=1, bad=2)
    assert polarity["delivery"] == Polarity(bad=4)
    assert polarity["awareness"] == Polarity()


def test_cohorts_are_read_where_a_kpi_publishes_them_and_only_months_that_are_over(company: Company) -> None:
    connection = company.connection
    definition = {
        "kpi": "cohort_retention",
        "version": 1,
        "title": "Retention",
        "unit": "share",
        "better": "higher",
    }
    words = {"formula": "f", "interval_method": "m"}
    connection.execute(sa.insert(kpi_definition), [{**definition, **words}])
    cell = {
        "kpi": "cohort_retention",
        "version": 1,
        "grain": "month",
        "dimension": "month",
        "as_of": at(4, 10),
    }
    numbers = {"n": 50, "value": 0.4, "ci_low": 0.3, "ci_high": 0.5, "is_suppressed": False}
    assert set(KEY) <= {*cell, "period_start", "dimension_value"}
    connection.execute(
        sa.insert(kpi_value),
        [
            {**cell, **numbers, "period_start": date(2026, month, 1), "dimension_value": str(age)}
            for month, age in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1))
        ],
    )
    found = read_all(connection, company.settings).cohorts
    connection.rollback()
    # Two months after February is April, which runs; and so is one month after March.
    assert [(each.month, sorted(each.values)) for each in found] == [
        (date(2026, 1, 1), [1, 2]),
        (date(2026, 2, 1), [1]),
    ]


def test_the_steps_before_the_purchases_of_the_period_are_read(contents: Contents) -> None:
    """Each of the 30 buyers of March had bought 28 days before, in February: a step without a channel. Nobody
    complained, and of nobody it is known that they fell silent."""
    bought = Step("placed_order", None)
    assert contents.ways == (Paths("purchase", 30, 30, (Path((bought,), 30, 30, (28 * 24,)),)),)
