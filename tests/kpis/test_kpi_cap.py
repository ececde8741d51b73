"""At most so many values of a dimension by name, the rest as `(other)`: which ones, what it adds up to, and that
neither the order of loads nor the way of computing shows."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import fmean
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from kpi_desk import FIRST, Desk, at
from sqlalchemy import delete, select, update

from cxflow.kpis.periods import BEGINNING, GRAINS, Grain
from cxflow.warehouse.tables import (
    interaction,
    kpi_day,
    kpi_definition,
    kpi_value,
    order_header,
    support_case,
)

LATER = FIRST + timedelta(days=1)
LAST = FIRST + timedelta(days=2)


def cap(desk: Desk, most: int, **dimensions_of: list[str]) -> None:
    desk.configure(kpis={"max_values": most, "dimensions": [], "dimensions_of": dimensions_of})


def slices(
    desk: Desk, kpi: str, by: str, grain: Grain = "all", **more: Any
) -> dict[str, tuple[int, float | None]]:
    """Those that have events, with n and value."""
    return {v.dimension_value: (v.n, v.value) for v in desk.values(kpi, grain, by, **more) if v.n}


def calls(desk: Desk, **talk_seconds: list[float]) -> None:
    """Answered calls of agents, with their seconds."""
    for agent, seconds in talk_seconds.items():
        for each in seconds:
            desk.call(agent_id=agent, answered_at=at("3-14"), talk_seconds=each)


def test_the_largest_keep_their_name_and_the_rest_adds_up(desk: Desk) -> None:
    cap(desk, 2, average_handle_time=["agent"])
    calls(desk, ana=[10, 20, 30], ben=[40, 50], eva=[60], fay=[90])
    desk.compute("average_handle_time")
    found = desk.values("average_handle_time", "month", "agent")
    # 60 and 90: mean 75, squared distances 2 × 15².
    assert [(v.dimension_value, v.n, v.numerator, v.value, v.squared_deviation) for v in found] == [
        ("ana", 3, 60, 20, 200),
        ("ben", 2, 90, 45, 50),
        ("(other)", 2, 150, 75, 450),
    ]
    (whole,) = desk.values("average_handle_time")
    assert (whole.n, whole.numerator) == (sum(v.n for v in found), sum(v.numerator or 0 for v in found))


def test_as_many_values_as_names_need_no_other(desk: Desk) -> None:
    cap(desk, 3, average_handle_time=["agent"])
    calls(desk, ana=[10], ben=[40], eva=[60])
    desk.compute("average_handle_time")
    assert set(slices(desk, "average_handle_time", "agent")) == {"ana", "ben", "eva"}


def test_of_two_that_are_as_large_the_first_by_name_keeps_it(desk: Desk) -> None:
    """By bytes, on every database: capitals first, then small letters, then letters with accents."""
    cap(desk, 3, average_handle_time=["agent"])
    calls(desk, zoe=[1], éva=[1], Zoe=[1], ana=[1], ben=[1])
    desk.compute("average_handle_time")
    assert set(slices(desk, "average_handle_time", "agent")) == {"Zoe", "ana", "ben", "(other)"}


def test_names_go_by_the_whole_period_in_every_period(desk: Desk) -> None:
    """Eva is the only one of February, and still not among the two largest of all."""
    cap(desk, 2, average_handle_time=["agent"])
    calls(desk, ana=[10, 20, 30], ben=[40, 50])
    desk.call(agent_id="eva", answered_at=at("2-14"), offered_at=at("2-14"), talk_seconds=60)
    desk.compute("average_handle_time")
    months = [
        (v.period_start.month, v.dimension_value) for v in desk.values("average_handle_time", by="agent")
    ]
    assert months == [(2, "(other)"), (3, "ana"), (3, "ben")]


def test_the_median_of_the_rest_is_that_of_its_events(desk: Desk) -> None:
    cap(desk, 1, first_reply_minutes=["priority"])
    minutes = {"low": (5, 6, 7, 8), "high": (1, 2, 30), "urgent": (100, 200)}
    for priority, waits in minutes.items():
        for wait in waits:
            desk.case(at("3-14"), priority=priority, first_reply_at=at("3-14") + timedelta(minutes=wait))
    desk.compute("first_reply_minutes")
    # Of 1 2 30 100 200; the medians of its two parts are 2 and 150.
    assert slices(desk, "first_reply_minutes", "priority") == {"low": (4, 6.5), "(other)": (5, 30)}


def test_two_quantiles_of_the_same_cases_share_what_they_read(desk: Desk) -> None:
    """The median and the 90th percentile of 1 … 11, capped and not, are those they are alone."""
    for most, others in ((5, {"low", "high"}), (1, {"high", "(other)"})):
        desk.connection.rollback()
        cap(desk, most, first_reply_minutes=["priority"], first_reply_minutes_p90=["priority"])
        for minute in range(1, 12):
            priority = "low" if minute < 4 else "high"
            desk.case(at("3-14"), priority=priority, first_reply_at=at("3-14") + timedelta(minutes=minute))
        desk.compute("first_reply_minutes", "first_reply_minutes_p90")
        for kpi, value in {"first_reply_minutes": 6, "first_reply_minutes_p90": 10}.items():
            (whole,) = desk.values(kpi)
            assert whole.value == pytest.approx(value)
            assert set(slices(desk, kpi, "priority")) == others
        # Of 4 … 11: halfway between the fourth and the fifth; 0.3 of the way from the seventh to the eighth.
        assert slices(desk, "first_reply_minutes", "priority")["high"] == (8, 7.5)
        assert slices(desk, "first_reply_minutes_p90", "priority")["high"] == (8, pytest.approx(10.3))


def test_a_customer_of_two_values_is_one_customer_of_the_rest(desk: Desk) -> None:
    cap(desk, 1, repeat_purchase_rate=["status"])
    for customer in ("ana", "ben", "eva"):
        desk.order(customer_id=customer, status="paid")
    desk.order(customer_id="fay", status="open")
    desk.order(customer_id="fay", status="held")
    desk.order(customer_id="gil", status="held")
    desk.compute("repeat_purchase_rate")
    # Fay ordered once as open and once as held: of the rest, twice. Largest by customers: 3, 2, 1.
    assert slices(desk, "repeat_purchase_rate", "status") == {"paid": (3, 0), "(other)": (2, 0.5)}


def test_who_came_back_by_another_of_the_rest_came_back(desk: Desk) -> None:
    cap(desk, 1, retention_rate=["status"])
    for month in (1, 2):
        for customer in ("ana", "ben"):
            desk.order(at(f"{month}-10"), customer, status="paid")
    desk.order(at("1-10"), "fay", status="open")
    desk.order(at("2-10"), "fay", status="held")
    desk.order(at("2-10"), "gil", status="lost")
    desk.compute("retention_rate")
    assert slices(desk, "retention_rate", "status", "month") == {"paid": (2, 1), "(other)": (1, 1)}


@pytest.mark.parametrize("kpi", ["average_handle_time", "first_reply_minutes"], ids=["sums", "median"])
def test_a_value_that_is_called_other_is_not_the_other(desk: Desk, kpi: str) -> None:
    by = {"average_handle_time": "agent", "first_reply_minutes": "priority"}[kpi]
    cap(desk, 3, **{kpi: [by]})
    found = {"(other)": 5, "((other))": 4, "other": 3, "x": 2, "y": 1}
    for name, times in found.items():
        for _ in range(times):
            if by == "agent":
                desk.call(agent_id=name, answered_at=at("3-14"), talk_seconds=1)
            else:
                desk.case(at("3-14"), priority=name, first_reply_at=at("3-14") + timedelta(minutes=1))
    desk.compute(kpi)
    capped = {"((other))": 5, "(((other)))": 4, "other": 3, "(other)": 3}
    assert {name: n for name, (n, _) in slices(desk, kpi, by).items()} == capped
    desk.configure(kpis={"dimensions": [], "dimensions_of": {kpi: [by]}})
    desk.compute(kpi, as_of=LATER)
    whole = {"((other))": 5, "(((other)))": 4, "other": 3, "x": 2, "y": 1}
    assert {name: n for name, (n, _) in slices(desk, kpi, by).items()} == whole


@pytest.mark.parametrize("kpi", ["average_handle_time", "first_reply_minutes"], ids=["sums", "median"])
def test_late_events_give_a_value_its_name_in_every_period(desk: Desk, kpi: str) -> None:
    """Eva overtakes ben by calls of February: her March has her name from then on, and his is with the others."""
    by = {"average_handle_time": "agent", "first_reply_minutes": "priority"}[kpi]
    cap(desk, 2, **{kpi: [by]})

    def happens(day: str, name: str, number: float) -> None:
        if by == "agent":
            desk.call(offered_at=at(day), answered_at=at(day), agent_id=name, talk_seconds=number)
        else:
            desk.case(at(day), priority=name, first_reply_at=at(day) + timedelta(minutes=number))

    for name, numbers in {"ana": (1, 2, 3), "ben": (4, 6), "eva": (8,), "fay": (10,)}.items():
        for number in numbers:
            happens("3-14", name, number)
    desk.compute(kpi)
    assert slices(desk, kpi, by, "month") == {"ana": (3, 2), "ben": (2, 5), "(other)": (2, 9)}
    happens("2-10", "eva", 3)
    happens("2-11", "eva", 5)
    desk.compute(kpi, as_of=LATER)
    march = {
        v.dimension_value: (v.n, v.value) for v in desk.values(kpi, "month", by) if v.period_start.month == 3
    }
    other = {"average_handle_time": 20 / 3, "first_reply_minutes": 6}[kpi]  # of 4, 6 and 10
    assert march == {"ana": (3, 2), "eva": (1, 8), "ben": (0, None), "(other)": (3, pytest.approx(other))}
    assert slices(desk, kpi, by, "month", as_of=FIRST) == {"ana": (3, 2), "ben": (2, 5), "(other)": (2, 9)}
    assert desk.compute(kpi, as_of=LAST, everything=True).published == 0


def test_what_moves_no_name_touches_no_other_period(desk: Desk) -> None:
    cap(desk, 1, average_handle_time=["agent"])
    calls(desk, ana=[10, 20, 30], ben=[40], eva=[60])
    desk.compute("average_handle_time")
    desk.connection.execute(update(kpi_value).where(kpi_value.c.grain == "month").values(value=-1))
    desk.call(offered_at=at("2-10"), answered_at=at("2-10"), agent_id="eva", talk_seconds=1)
    desk.compute("average_handle_time", as_of=LATER)
    march = [v for v in desk.values("average_handle_time", "month", "agent") if v.period_start.month == 3]
    assert {(v.dimension_value, v.value) for v in march} == {("ana", -1), ("(other)", -1)}


def test_a_value_that_moves_is_summed_from_days_and_reads_no_old_event(desk: Desk) -> None:
    cap(desk, 1, average_handle_time=["agent"])
    calls(desk, ana=[10, 20], ben=[40, 60])
    desk.compute("average_handle_time")
    desk.connection.execute(delete(interaction))
    desk.call(offered_at=at("2-10"), answered_at=at("2-10"), agent_id="ben", talk_seconds=5)
    desk.compute("average_handle_time", as_of=LATER)
    assert slices(desk, "average_handle_time", "agent") == {"ben": (3, 35), "(other)": (2, 15)}


def test_when_values_go_the_rest_has_its_names_again(desk: Desk) -> None:
    cap(desk, 2, average_handle_time=["agent"], first_reply_minutes=["priority"])
    calls(desk, ana=[10, 20, 30], ben=[40, 50], eva=[60])
    for name, minutes in {"low": (1, 2, 3), "high": (4, 5), "urgent": (6,)}.items():
        for number in minutes:
            desk.case(at("3-14"), priority=name, first_reply_at=at("3-14") + timedelta(minutes=number))
    desk.compute("average_handle_time", "first_reply_minutes")
    assert set(slices(desk, "first_reply_minutes", "priority")) == {"low", "high", "(other)"}
    desk.connection.execute(
        update(interaction).where(interaction.c.agent_id == "ana").values(is_deleted=True)
    )
    desk.connection.execute(
        update(support_case).where(support_case.c.priority == "low").values(is_deleted=True)
    )
    desk.touch(interaction, at("3-14").date())
    desk.touch(support_case, at("3-14").date())
    desk.compute("average_handle_time", "first_reply_minutes", as_of=LATER)
    assert slices(desk, "average_handle_time", "agent") == {"ben": (2, 45), "eva": (1, 60)}
    assert slices(desk, "first_reply_minutes", "priority") == {"high": (2, 4.5), "urgent": (1, 6)}


def test_a_value_too_many_is_noticed_where_the_others_have_no_cell_that_was_touched(desk: Desk) -> None:
    """Retention has no whole time, and its periods of 2023 are not read again for an order of 2025."""
    cap(desk, 2, retention_rate=["status"])
    for month in (1, 2):
        desk.order(datetime(2023, month, 10, 12, tzinfo=UTC), "eva", status="held")
    for year, month in ((2023, 1), (2023, 2), (2025, 1), (2025, 2)):
        for customer in ("ana", "ben"):
            desk.order(datetime(year, month, 10, 12, tzinfo=UTC), customer, status="paid")
    desk.compute("retention_rate")
    assert set(slices(desk, "retention_rate", "status", "month")) == {"paid", "held"}
    for month in (1, 2):
        for customer in ("fay", "gil"):
            desk.order(at(f"{month}-12"), customer, status="open")
    desk.compute("retention_rate", as_of=LATER)
    found = {
        (v.period_start.year, v.dimension_value) for v in desk.values("retention_rate", by="status") if v.n
    }
    # Held and open have two customers each in weeks after which another has begun: the first by name keeps it.
    assert found == {(2023, "paid"), (2023, "held"), (2025, "paid"), (2025, "(other)")}
    assert desk.compute("retention_rate", as_of=LAST, everything=True).published == 0


def test_another_cap_publishes_the_names_anew_and_keeps_what_was(desk: Desk) -> None:
    cap(desk, 2, average_handle_time=["agent"])
    calls(desk, ana=[10, 20, 30], ben=[40, 50], eva=[60], fay=[90])
    desk.compute("average_handle_time")
    cap(desk, 3, average_handle_time=["agent"])
    desk.compute("average_handle_time", as_of=LATER)
    now = {"ana": (3, 20), "ben": (2, 45), "eva": (1, 60), "(other)": (1, 90)}
    assert slices(desk, "average_handle_time", "agent") == now
    then = {"ana": (3, 20), "ben": (2, 45), "(other)": (2, 75)}
    assert slices(desk, "average_handle_time", "agent", as_of=FIRST) == then


# ---------------------------------------------------------------------- random histories

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
KPIS = {
    "average_handle_time": "agent",
    "first_reply_minutes": "priority",
    "repeat_purchase_rate": "status",
    "retention_rate": "status",
}
NAMES = ("a", "B", "c", "(other)", "é", "f")
"""What they are called; as published, the fourth has one more pair of parentheses."""
PUBLISHED = {"(other)": "((other))"}
MOST = 2


class Event(NamedTuple):
    """One event, as the oracle knows it."""

    day: date
    name: str
    number: float
    customer: str


Value = tuple[int, float]


def start_of(grain: Grain, day: date) -> date:
    match grain:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return date(day.year, day.month, 1)
        case "quarter":
            return date(day.year, (1, 4, 7, 10)[(day.month - 1) // 3], 1)
        case "year":
            return date(day.year, 1, 1)
        case "all":
            return BEGINNING


def mean(events: list[Event]) -> Value:
    return len(events), fmean(event.number for event in events)


def median(events: list[Event]) -> Value:
    numbers = sorted(event.number for event in events)
    middle = len(numbers) // 2
    return len(numbers), numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2


def repeats(events: list[Event]) -> Value:
    orders = Counter(event.customer for event in events)
    return len(orders), sum(number >= 2 for number in orders.values()) / len(orders)


def customers(events: Iterable[Event]) -> set[str]:
    return {event.customer for event in events}


def named(events: list[Event], size: Callable[[list[Event]], int]) -> dict[str, str]:
    """Value to the name of its slice."""
    of: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of[PUBLISHED.get(event.name, event.name)].append(event)
    ranked = sorted(of, key=lambda name: (-size(of[name]), name.encode()))
    kept = set(ranked if len(ranked) <= MOST else ranked[:MOST])
    return {
        event.name: name if (name := PUBLISHED.get(event.name, event.name)) in kept else "(other)"
        for event in events
    }


def weekly_bases(events: list[Event]) -> int:
    """How large a value is to the retention: its customers of all weeks after which another has begun."""
    return len({(start_of("week", event.day), event.customer) for event in events})


def oracle(kpi: str, events: list[Event], last: date) -> dict[tuple[str, date, str], Value]:
    """Every cell of the slices, worked out from the events in plain Python."""
    if kpi == "retention_rate":
        return retention(events, last)
    value = {"average_handle_time": mean, "first_reply_minutes": median, "repeat_purchase_rate": repeats}[kpi]
    names = named(events, lambda some: value(some)[0])
    cells: dict[tuple[str, date, str], list[Event]] = defaultdict(list)
    for event in events:
        for grain in GRAINS:
            cells[grain, start_of(grain, event.day), names[event.name]].append(event)
    return {cell: value(some) for cell, some in cells.items()}


def retention(events: list[Event], last: date) -> dict[tuple[str, date, str], Value]:
    def judged(some: list[Event]) -> int:
        return weekly_bases(
            [event for event in some if start_of("week", event.day) + timedelta(days=7) <= last]
        )

    names = named(events, judged)
    found = {}
    for grain in ("week", "month", "quarter", "year"):
        here: dict[str, dict[date, set[str]]] = defaultdict(lambda: defaultdict(set))
        for event in events:
            here[names[event.name]][start_of(grain, event.day)].add(event.customer)
        days = (date(2023, 1, 1) + timedelta(days=step) for step in range(1500))
        starts = sorted({start_of(grain, day) for day in days})
        for before, start in pairwise(starts):
            for name, active in here.items():
                if active[before] and start <= last:
                    back = len(active[before] & active[start])
                    found[grain, start, name] = (len(active[before]), back / len(active[before]))
    return found


def published(desk: Desk, kpi: str) -> dict[tuple[str, date, str], Value]:
    return {
        (v.grain, v.period_start, v.dimension_value): (v.n, v.value or 0)
        for grain in GRAINS
        for v in desk.values(kpi, grain, KPIS[kpi])
        if v.n
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_however_events_come_the_slices_are_those_of_all_of_them(desk: Desk, seed: int) -> None:
    """Loads of random days, each with favourites of its own, and deletions: after each, every cell is what plain
    Python makes of the events. In the end, computing everything changes nothing, and a new warehouse is the same."""
    chance = random.Random(seed)
    desk.configure(
        project={"timezone": "America/Sao_Paulo"},
        kpis={"max_values": MOST, "dimensions": [], "dimensions_of": {kpi: [by] for kpi, by in KPIS.items()}},
    )
    events: dict[str, dict[str, Event]] = {"call": {}, "case": {}, "order": {}}
    tables = {"call": interaction, "case": support_case, "order": order_header}
    memberships = set()
    for turn in range(5):
        favourites = chance.sample(NAMES, 2)
        for number in range(14):
            moment = datetime(2024, 11, 1, tzinfo=SAO_PAULO) + timedelta(hours=chance.randrange(24 * 120))
            name = chance.choice(favourites if chance.random() < 0.7 else NAMES)
            customer, amount = f"customer {chance.randrange(6)}", float(chance.randrange(1, 50))
            event, id_ = Event(moment.date(), name, amount, customer), f"{turn}-{number}"
            for kind in events:
                events[kind][id_] = event
            when = moment.astimezone(FIRST.tzinfo)
            desk.call(
                interaction_id=id_, offered_at=when, answered_at=when, agent_id=name, talk_seconds=amount
            )
            desk.case(when, case_id=id_, priority=name, first_reply_at=when + timedelta(minutes=amount))
            desk.order(when, customer, order_id=id_, status=name)
        if turn:
            for kind, table in tables.items():
                for id_ in chance.sample(sorted(events[kind]), 6):
                    event = events[kind].pop(id_)
                    key = table.info["key"][0]
                    desk.connection.execute(update(table).where(table.c[key] == id_).values(is_deleted=True))
                    desk.touch(table, event.day, event.day + timedelta(days=1))  # its UTC day is one of these
        desk.compute(*KPIS, as_of=FIRST + timedelta(hours=turn))
        last = max(event.day for event in events["order"].values())
        for kpi, kind in zip(KPIS, ("call", "case", "order", "order"), strict=True):
            found, expected = published(desk, kpi), oracle(kpi, list(events[kind].values()), last)
            assert found.keys() == expected.keys(), kpi
            assert found == {cell: (n, pytest.approx(value)) for cell, (n, value) in expected.items()}, kpi
        memberships.add(frozenset(slices(desk, "average_handle_time", "agent")))
    assert len(memberships) > 1, "values came into the cap and went"
    current = {kpi: published(desk, kpi) for kpi in KPIS}
    assert desk.compute(*KPIS, as_of=FIRST + timedelta(days=9), everything=True).published == 0
    stored = select(kpi_day).order_by(*(kpi_day.c[name] for name in kpi_day.info["key"]))
    summed = [row[:6] for row in desk.connection.execute(stored)]
    for table in (kpi_value, kpi_day, kpi_definition):
        desk.connection.execute(delete(table))
    desk.compute(*KPIS, as_of=FIRST + timedelta(days=10))
    assert [row[:6] for row in desk.connection.execute(stored)] == summed
    for kpi in KPIS:
        again = published(desk, kpi)
        assert again == {cell: (n, pytest.approx(value)) for cell, (n, value) in current[kpi].items()}
