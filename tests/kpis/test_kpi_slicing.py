"""What KPIs are sliced by: what facts offer, what `[kpis]` asks for, and what it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at
from sqlalchemy import Double, String, case, column, func, literal, select, union_all, update

from cxflow import Kpi, Mean, Settings, Share, fact
from cxflow.errors import ConfigError
from cxflow.kpis.calculator import compute
from cxflow.kpis.facts import SAME_DAY, Fact
from cxflow.kpis.slicing import check, dimensions_of
from cxflow.warehouse.tables import (
    customer_profile,
    interaction,
    kpi_definition,
    review,
    signal,
    survey_response,
    touchpoint,
)

LATER = FIRST + timedelta(days=1)
LAST = FIRST + timedelta(days=2)


def slices(desk: Desk, kpi: str, by: str, **more: Any) -> dict[str, float | None]:
    return {v.dimension_value: v.value for v in desk.values(kpi, "month", by, **more) if v.n}


def settings(**kpis: Any) -> Settings:
    return Settings.model_validate({"kpis": kpis})


def test_unless_told_kpis_are_sliced_by_channel_source_and_segment() -> None:
    others = {
        "contact_rate": ("segment",),
        "preventable_contact_rate": ("segment",),
        "complaint_rate": ("segment",),
        "omnichannel_uplift": ("segment",),
        **dict.fromkeys((name for name in BY_NAME if name.startswith("memory_index")), ("segment",)),
        "touchpoints": ("channel", "source", "segment", "activity"),
        **dict.fromkeys(
            (name for name in BY_NAME if name.endswith("sla_breach_rate")),
            ("channel", "source", "segment", "priority"),
        ),
        **dict.fromkeys(("cohort_retention", "customer_lifetime_value"), ("months_since_first",)),
        # What customers spent before and after was not on one channel.
        **dict.fromkeys(("net_revenue_retention", "gross_revenue_retention"), ("source", "segment")),
        # Of an invitation that nobody answered, nothing else is known.
        "response_rate": ("source",),
        # A deal has no channel.
        "win_rate": ("source", "segment"),
        "sales_cycle_days": ("source", "segment"),
    }
    usual = dict.fromkeys(BY_NAME, ("channel", "source", "segment"))
    assert {name: dimensions_of(kpi, Settings()) for name, kpi in BY_NAME.items()} == usual | others
    check(BY_NAME, Settings())


@pytest.mark.parametrize(
    "by", ["agent", "queue", "outcome", "stream", "source", "reason", "channel", "segment"]
)
def test_a_call_is_sliced_by_what_its_tables_say_of_it(desk: Desk, by: str) -> None:
    """Its own agent, not that of the touchpoint; the reason is the touchpoint's, the segment its customer's."""
    desk.configure(kpis={"dimensions": [by]})
    for number, wait in enumerate((10, 20)):
        desk.customer(f"customer {number}", f"segment {number}")
        contact = desk.contact(
            at("3-14"),
            f"customer {number}",
            reason=f"reason {number}",
            channel=f"channel {number}",
            agent_id="somebody",
        )
        desk.call(
            touchpoint_id=contact,
            answered_at=at("3-14"),
            wait_seconds=wait,
            agent_id=f"agent {number}",
            queue_id=f"queue {number}",
            outcome=f"outcome {number}",
            source_object=f"stream {number}",
            source_system=f"source {number}",
        )
    desk.compute("average_speed_of_answer")
    assert slices(desk, "average_speed_of_answer", by) == {f"{by} 0": 10, f"{by} 1": 20}


def test_a_review_by_item_a_case_by_priority_an_order_by_status(desk: Desk) -> None:
    desk.configure(
        kpis={
            "dimensions": [],
            "dimensions_of": {
                "review_rating": ["item", "language"],
                "first_reply_minutes": ["priority"],
                "average_order_value": ["status", "is_cancelled"],
            },
        }
    )
    desk.review(5, item_reviewed_id="shop:lamp", language="pt")
    desk.review(1, item_reviewed_id="shop:chair", language=None)
    desk.cases(at("3-14"), *({"priority": p, "first_reply_at": at("3-14 12:30")} for p in ("low", "high")))
    desk.order(price_total=5, status="paid", is_cancelled=False)
    desk.order(price_total=7, status="open", is_cancelled=None)
    desk.compute("review_rating", "first_reply_minutes", "average_order_value")
    assert slices(desk, "review_rating", "item") == {"shop:lamp": 5, "shop:chair": 1}
    assert slices(desk, "review_rating", "language") == {"pt": 5}
    assert slices(desk, "first_reply_minutes", "priority") == {"low": 30, "high": 30}
    assert slices(desk, "average_order_value", "status") == {"paid": 5, "open": 7}
    assert slices(desk, "average_order_value", "is_cancelled") == {"false": 5}


def test_a_contact_is_sliced_by_what_it_was_about_through_windows_too(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["reason", "agent"]})
    desk.contact(at("3-1"), "ana", reason="late", agent_id="eva")
    desk.contact(at("3-3"), "ana", reason="late", agent_id="fay")
    desk.contact(at("3-3"), "ben", reason="broken", agent_id="fay")
    desk.contact(at("3-30"), "hal", reason="late")
    desk.compute("first_contact_resolution")
    assert slices(desk, "first_contact_resolution", "reason") == {"late": 0.5, "broken": 1}
    assert slices(desk, "first_contact_resolution", "agent") == {"eva": 0, "fay": 1}


def test_orders_and_contacts_are_sliced_by_what_is_known_of_the_customer(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["country", "consent", "channel"]})
    desk.customer("ana", "gold", country="PT", consent=True)
    desk.customer("ben", "gold", country="ES", consent=None)
    for customer in ("ana", "ana", "ben", "unknown"):
        desk.order(customer_id=customer, price_total=5)
    desk.contact(at("3-14"), "ana")
    desk.compute("average_order_value", "contact_rate")
    assert {v.dimension_value: v.n for v in desk.values("average_order_value", by="country")} == {
        "PT": 2,
        "ES": 1,
    }
    assert slices(desk, "contact_rate", "country") == {"PT": 50, "ES": 0}
    assert slices(desk, "contact_rate", "consent") == {"true": 50}
    assert slices(desk, "contact_rate", "channel") == {}


def test_a_signal_of_the_touchpoint_is_a_dimension(desk: Desk) -> None:
    """The word of the newest model that said one; numbers, deleted signals and other names are none."""
    desk.configure(kpis={"dimensions": ["channel", "signal.topic"]})

    def answer(rating: float, *signals: dict[str, Any]) -> None:
        touched = desk.touchpoint(at("3-14"))
        desk.answer("nps", rating, touchpoint_id=touched)
        for each in signals:
            row = {"name": "topic", "model_version": "1", "string_value": None, "number_value": None}
            desk.put(signal, {"touchpoint_id": touched, **row, **each})

    answer(10, {"string_value": "price"}, {"name": "mood", "string_value": "glad"})
    answer(0, {"string_value": "price"}, {"string_value": "parcel", "model_version": "2"})
    answer(9, {"string_value": "parcel"}, {"model_version": "2", "number_value": 1.0})
    answer(0, {"string_value": "price", "is_deleted": True})
    answer(0)
    desk.compute("nps")
    assert slices(desk, "nps", "signal.topic") == {"price": 100, "parcel": 0}
    assert slices(desk, "nps", "channel") == {"web": -20}


def test_a_kpi_may_be_sliced_by_something_else_than_the_others(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["source"], "dimensions_of": {"average_speed_of_answer": ["queue"]}})
    desk.call(answered_at=at("3-14"), wait_seconds=10, queue_id="q")
    desk.compute("average_speed_of_answer", "abandonment_rate")
    assert slices(desk, "average_speed_of_answer", "queue") == {"q": 10}
    assert slices(desk, "average_speed_of_answer", "source") == {}
    assert slices(desk, "abandonment_rate", "source") == {"shop": 0}
    assert slices(desk, "abandonment_rate", "queue") == {}


def test_slices_no_longer_asked_for_are_withdrawn_and_stay_readable_as_they_were(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["source", "agent"]})
    desk.call(answered_at=at("3-14"), wait_seconds=10, agent_id="eva")
    desk.compute("average_speed_of_answer")
    desk.configure(kpis={"dimensions": ["source", "queue"]})
    report = desk.compute("average_speed_of_answer", as_of=LATER)
    # Six grains; the call has no queue. Everything and the source came out as they were.
    assert (report.published, report.emptied, report.unchanged) == (6, 6, 12)
    assert slices(desk, "average_speed_of_answer", "agent") == {}
    assert slices(desk, "average_speed_of_answer", "agent", as_of=FIRST) == {"eva": 10}
    assert slices(desk, "average_speed_of_answer", "source") == {"shop": 10}
    desk.configure(kpis={"dimensions": ["source", "agent"]})
    desk.compute("average_speed_of_answer", as_of=LAST)
    assert slices(desk, "average_speed_of_answer", "agent") == {"eva": 10}


def test_only_the_kpis_whose_slices_changed_are_computed_anew(desk: Desk) -> None:
    desk.call(answered_at=at("3-14"), wait_seconds=10, queue_id="q")
    names = ("average_speed_of_answer", "abandonment_rate")
    desk.compute(*names)
    desk.configure(kpis={"dimensions_of": {"average_speed_of_answer": ["queue"]}})
    assert desk.compute(*names, as_of=LATER).kpis == ("average_speed_of_answer",)
    desk.configure(kpis={"dimensions": ["segment", "source", "channel"]})  # in another order
    assert desk.compute(*names, as_of=LAST).kpis == ("average_speed_of_answer",)


@pytest.mark.parametrize(
    ("kpis", "message"),
    [
        (
            {"dimensions": ["chanel"]},
            "kpis.dimensions: no KPI can be sliced by 'chanel'; did you mean 'channel'? (offered: activity, agent, ",
        ),
        (
            {"dimensions_of": {"average_handle_time": ["que"]}},
            "kpis.dimensions_of.average_handle_time: average_handle_time cannot be sliced by 'que'; did you mean "
            "'queue'? (offered: activity, agent, channel, ",
        ),
        (
            {"dimensions_of": {"nps": ["queue"]}},
            "kpis.dimensions_of.nps: nps cannot be sliced by 'queue' (offered: activity, ",
        ),
        (
            {"dimensions_of": {"contact_rate": ["channel"]}},
            "kpis.dimensions_of.contact_rate: contact_rate cannot be sliced by 'channel' "
            "(offered: consent, country, segment)",
        ),
        (
            {"dimensions_of": {"npss": ["channel"]}},
            "kpis.dimensions_of: there is no KPI 'npss'; did you mean 'nps'?",
        ),
        ({"dimensions": ["signal."]}, "kpis.dimensions: no KPI can be sliced by 'signal.'"),
        (
            {"dimensions": ["review_body"]},
            "kpis.dimensions: 'review_body' is personal data (review.review_body)",
        ),
        (
            {"dimensions_of": {"nps": ["response_text"]}},
            "kpis.dimensions_of.nps: 'response_text' is personal data (survey_response.response_text)",
        ),
    ],
)
def test_what_nothing_offers_is_told_with_the_nearest_and_what_there_is(
    kpis: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check(BY_NAME, settings(**kpis))
    assert message in str(caught.value)


def test_what_a_kpi_cannot_be_sliced_by_stops_the_computation_before_it_writes(desk: Desk) -> None:
    desk.configure(kpis={"dimensions_of": {"nps": ["queue"]}})
    with pytest.raises(ConfigError, match="'queue'"):
        desk.compute("nps")
    assert desk.connection.execute(select(kpi_definition)).all() == []


# ------------------------------------------------------------------------ facts of plugins


def talked(of: Fact, **more: Any) -> Kpi:
    """A plugin's KPI."""
    return Kpi(
        name="talked",
        title="Talk time",
        unit="seconds",
        better="lower",
        formula="talk ÷ calls",
        of=Mean(of, column("talk", Double)),
        **more,
    )


def test_a_fact_of_a_plugin_may_offer_dimensions_of_its_own(desk: Desk) -> None:
    """A number in classes, one word out of two columns; and the tables' own stay."""
    t = interaction.c
    kpi = talked(
        fact(
            interaction,
            dimensions={
                "patience": case((t.wait_seconds < 20, "short"), else_="long"),
                "transfers": t.transfer_count,
                "agent": func.concat(t.queue_id, "/", t.agent_id),
            },
            talk=t.talk_seconds,
            outcome=t.talk_seconds,  # a measure called like a dimension
        )
    )
    desk.configure(kpis={"dimensions": ["patience", "transfers", "agent", "outcome"]})
    check({"talked": kpi}, desk.settings)
    for wait, talk in ((5, 10), (10, 20), (60, 90)):
        desk.call(
            wait_seconds=wait, talk_seconds=talk, transfer_count=1, queue_id="q", agent_id="eva", outcome="ok"
        )
    compute(desk.connection, desk.settings, {"talked": kpi}, FIRST)
    assert slices(desk, "talked", "patience") == {"short": 15, "long": 90}
    assert slices(desk, "talked", "transfers") == {"1": 40}
    assert slices(desk, "talked", "agent") == {"q/eva": 40}
    assert slices(desk, "talked", "outcome") == {"ok": 40}


def test_a_fact_made_by_hand_offers_what_every_fact_does_and_what_it_says(desk: Desk) -> None:
    rows = fact(interaction, talk=interaction.c.talk_seconds, queue=interaction.c.queue_id).rows
    plain = talked(Fact(rows, {"interaction": SAME_DAY}))
    assert plain.offers(Settings()) == ("channel", "segment", "source")
    more = talked(Fact(rows, {"interaction": SAME_DAY}, dimensions={"line": column("queue", String)}))
    desk.configure(kpis={"dimensions": ["line"]})
    desk.call(talk_seconds=10, queue_id="q")
    compute(desk.connection, desk.settings, {"talked": more}, FIRST)
    assert slices(desk, "talked", "line") == {"q": 10}


def test_a_kpi_may_offer_less_than_its_fact_and_not_more() -> None:
    less = talked(fact(interaction, talk=interaction.c.talk_seconds), dimensions=("queue", "agent"))
    assert less.offers(Settings()) == ("agent", "queue")
    more = talked(fact(interaction, talk=interaction.c.talk_seconds), dimensions=("queue", "agents"))
    with pytest.raises(ConfigError, match=r"declares the dimension 'agents'.* did you mean 'agent'"):
        more.offers(Settings())


@pytest.mark.parametrize("name", ["Queue", "two words", "", "signal.mine"])
def test_a_dimension_has_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigError, match="not a valid name for a dimension"):
        fact(interaction, dimensions={name: interaction.c.queue_id})


def test_a_fact_may_not_offer_personal_data() -> None:
    for expression in (
        survey_response.c.response_text,
        func.lower(func.substr(survey_response.c.response_text, 1, 3)),
        select(customer_profile.c.email).limit(1).scalar_subquery(),
    ):
        with pytest.raises(
            ConfigError, match=r"the dimension 'word' derives from .*, which is personal data"
        ):
            fact(survey_response, dimensions={"word": expression})


def _hidden() -> list[Fact]:
    """Facts with personal data behind a column that is called otherwise."""
    measured = fact(review, words=review.c.review_body)
    reach = measured.reach
    by = {"word": column("word", String)}
    deep = select(select(measured.rows.subquery().c.words.label("word")).subquery(), literal(1).label("one"))
    both = union_all(
        select(literal("plain").label("word")), deep.with_only_columns(deep.selected_columns.word)
    )
    bare = select(select(measured.rows.subquery(), column("words").label("renamed")).subquery())
    return [
        replace(measured, dimensions={"word": column("words", String)}),
        Fact(deep, reach, dimensions=by),
        Fact(select(both.subquery()), reach, dimensions=by),
        Fact(bare, reach, dimensions={"word": func.upper(column("renamed", String))}),
    ]


@pytest.mark.parametrize("of", _hidden(), ids=["measure", "subquery", "union", "bare"])
def test_personal_data_is_found_behind_other_names(of: Fact) -> None:
    with pytest.raises(ConfigError) as caught:
        dimensions_of(talked(of), settings(dimensions=["word"]))
    assert "'word' of talked derives from review.review_body, which is personal data" in str(caught.value)


def test_what_is_not_personal_is_not_taken_for_it() -> None:
    of = fact(review, words=review.c.review_body, number=review.c.rating_value)
    long = replace(of, dimensions={"stars": column("number", Double)})
    assert dimensions_of(talked(long), settings(dimensions=["stars"])) == ("stars",)


def test_a_rate_is_sliced_by_what_both_of_its_facts_offer(desk: Desk) -> None:
    from cxflow import Rate

    calls = fact(interaction, dimensions={"line": interaction.c.queue_id})
    contacts = fact(touchpoint, dimensions={"line": touchpoint.c.reason})
    rate = Kpi(
        name="talked",
        title="Calls",
        unit="per 100",
        better="lower",
        formula="100 × calls ÷ contacts",
        of=Rate(calls, per=contacts),
    )
    assert "line" in rate.offers(Settings())
    assert not {"queue", "signal."} & set(rate.offers(Settings()))
    desk.configure(kpis={"dimensions": ["line"]})
    desk.contact(at("3-14"), reason="q")
    desk.contact(at("3-14"), reason="q")
    desk.call(queue_id="q")
    compute(desk.connection, desk.settings, {"talked": rate}, FIRST)
    assert slices(desk, "talked", "line") == {"q": 50}


def test_a_changed_row_moves_to_its_new_slice(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["queue"]})
    desk.call(answered_at=at("3-14"), wait_seconds=10, queue_id="old")
    desk.compute("average_speed_of_answer")
    desk.connection.execute(update(interaction).values(queue_id="new"))
    desk.touch(interaction, at("3-14").date())
    desk.compute("average_speed_of_answer", as_of=LATER)
    assert slices(desk, "average_speed_of_answer", "queue") == {"new": 10}
    assert slices(desk, "average_speed_of_answer", "queue", as_of=FIRST) == {"old": 10}


def test_names_for_authors_of_kpis_are_as_they_were() -> None:
    """A plugin of the first version: a condition on the channel, and a KPI that names its dimensions."""
    calls = fact(interaction, answered_at=interaction.c.answered_at).where(column("channel") == "phone")
    kpi = Kpi(
        name="answered",
        title="Answered",
        unit="share",
        better="higher",
        formula="answered ÷ offered",
        of=Share(calls, where=column("answered_at").is_not(None)),
        dimensions=("source", "segment"),
        grains=("day", "week", "month", "all"),
    )
    assert dimensions_of(kpi, Settings()) == ("source", "segment")
