"""A switchboard's log of channel events: every call against the events themselves."""

from __future__ import annotations

import pandas as pd
import pytest
from editions import Figure, Source, of_the_slice
from real_project import RealProject
from real_sets import WAZO

CALL = ["scenario", "linkedid"]


@pytest.fixture(scope="module")
def events(source: Source) -> pd.DataFrame:
    """The events; a stamp without an offset is in UTC."""
    found = pd.read_csv(source(WAZO, "switchboard.calls"), dtype=str, keep_default_na=False)
    at = pd.to_datetime(found["eventtime"], format="ISO8601", utc=True)
    return found.assign(at=at, offset=found["eventtime"].str.extract(r"([+-]\d\d)$")[0].fillna(""))


@pytest.fixture(scope="module")
def calls(events: pd.DataFrame) -> pd.DataFrame:
    """The calls: who began them, and when a second telephone was bridged."""
    found = {}
    for call, some in events.groupby(CALL):
        kinds = set(some["eventtype"])
        entries = some[some["eventtype"].eq("BRIDGE_ENTER") & ~some["channame"].str.startswith("Local/")]
        first_entries = entries.groupby("channame")["at"].min().sort_values()
        moments = list(some.loc[some["eventtype"] == "BRIDGE_START", "at"])
        if len(first_entries) > 1:
            moments.append(first_entries.iloc[1])
        found[call] = {
            "direction": "inbound"
            if "XIVO_INCALL" in kinds
            else "outbound"
            if "XIVO_OUTCALL" in kinds
            else None,
            "began_at": some["at"].min(),
            "ended_at": some["at"].max(),
            "answered_at": min(moments, default=pd.NaT),
        }
    return pd.DataFrame.from_dict(found, orient="index")


@pytest.fixture(scope="module")
def incoming(calls: pd.DataFrame) -> pd.DataFrame:
    return calls[calls["direction"] == "inbound"]


def key(call: tuple[str, ...]) -> str:
    """The key of a call's record: the id 1658410288.0 is the whole number."""
    return "|".join(part.removesuffix(".0") for part in call)


def microseconds(at: pd.Timestamp) -> int:
    return at.value // 1_000


def test_events_of_one_linkedid_within_a_scenario_are_a_call(
    wazo: RealProject, events: pd.DataFrame, calls: pd.DataFrame, figure: Figure
) -> None:
    # Of the slice: 1900000001.1 is a call of the scenarios 1 and 6.
    counted = (len(events), events["linkedid"].nunique(), len(calls))
    assert counted == figure(real=(1_509, 64, 77), slice=(63, 13, 14))
    found = wazo.rows("SELECT source_record_id FROM source_record")
    assert {record for (record,) in found} == {key(call) for call in calls.index}


def test_half_of_the_stamps_have_no_offset_and_no_call_mixes_the_two(
    events: pd.DataFrame, figure: Figure
) -> None:
    assert events["offset"].value_counts().to_dict() == figure(
        real={"": 734, "+00": 387, "-04": 300, "-05": 88}, slice={"": 32, "+00": 13, "-04": 12, "-05": 6}
    )
    assert events.groupby(CALL)["offset"].nunique().max() == 1


def test_calls_with_the_world_outside_are_touchpoints_and_those_within_the_house_are_none(
    wazo: RealProject, calls: pd.DataFrame, figure: Figure
) -> None:
    outside = calls.dropna(subset="direction")
    assert outside["direction"].value_counts().to_dict() == figure(
        real={"inbound": 17, "outbound": 10}, slice={"inbound": 10, "outbound": 2}
    )
    found = wazo.rows("SELECT direction, epoch_us(occurred_at) FROM touchpoint")
    expected = sorted(zip(outside["direction"], map(microseconds, outside["began_at"]), strict=True))
    assert sorted(found) == expected


@of_the_slice
def test_a_call_begins_waits_and_ends_as_its_events_say(wazo: RealProject) -> None:
    found = wazo.rows(
        "SELECT source_record_id, outcome, strftime(timezone('UTC', offered_at), '%m-%d %H:%M:%S'), "
        "strftime(timezone('UTC', answered_at), '%H:%M:%S.%g'), "
        "strftime(timezone('UTC', abandoned_at), '%H:%M:%S.%g'), "
        "round(wait_seconds, 3)::DOUBLE, round(talk_seconds, 3)::DOUBLE FROM interaction"
    )
    assert sorted(found) == sorted([
        # The trunk joins the desk at 10:00:12.5, and the call ends a minute later.
        ("1|1900000001.1", "answered", "05-02 10:00:00", "10:00:12.500", None, 12.5, 60),
        # At 09:00 of UTC-4. The switchboard's own end is bridged at :05, the caller at :19.75, the desk at :20.
        ("2|1900000002.1", "answered", "06-07 13:00:00", "13:00:20.000", None, 20, 90),
        # An old log, which says BRIDGE_START.
        ("3|1900000003.1", "answered", "03-04 08:00:00", "08:00:05.000", None, 5, 30),
        # Answered by the voicemail; alone in a conference.
        ("4|1900000004.1", "abandoned", "03-01 12:00:00", None, "12:00:40.500", 40, None),
        ("5|1900000005.1", "abandoned", "10-01 16:00:00", None, "16:01:00.123", 60, None),
        # The linkedid of the first, in another scenario.
        ("6|1900000001.1", "abandoned", "05-02 10:00:00", None, "10:00:30.000", 30, None),
        # Two calls of one scenario, at 07:00 and 07:10 of UTC-5.
        ("7|1900000007.1", "abandoned", "11-05 12:00:00", None, "12:00:45.000", 45, None),
        ("7|1900000007.2", "abandoned", "11-05 12:10:00", None, "12:10:15.000", 15, None),
        ("8|1900000008.1", "abandoned", "10-02 00:00:00", None, "00:00:10.000", 10, None),
        ("9|1900000009.1", "abandoned", "10-02 00:01:00", None, "00:01:20.000", 20, None),
    ])  # fmt: skip


def test_a_call_is_answered_when_a_second_telephone_joins_it(
    wazo: RealProject, incoming: pd.DataFrame
) -> None:
    found = dict(wazo.rows("SELECT source_record_id, epoch_us(answered_at) FROM interaction"))
    assert found == {
        key(call): None if pd.isna(at) else microseconds(at) for call, at in incoming["answered_at"].items()
    }


def test_calls_that_nobody_joined_are_abandoned(
    wazo: RealProject, incoming: pd.DataFrame, figure: Figure
) -> None:
    unanswered = int(incoming["answered_at"].isna().sum())
    assert (unanswered, len(incoming)) == figure(real=(9, 17), slice=(7, 10))
    expected = (pytest.approx(unanswered / len(incoming)), len(incoming))
    assert wazo.published("abandonment_rate") == {"all": expected}


def test_handle_time_is_from_the_answer_to_the_last_event(
    wazo: RealProject, incoming: pd.DataFrame, figure: Figure
) -> None:
    answered = incoming.dropna(subset="answered_at")
    talks = (answered["ended_at"] - answered["answered_at"]).dt.total_seconds()
    # Eight are too few for the KPI to be shown, and three are.
    found = wazo.row("SELECT sum(talk_seconds), count(talk_seconds) FROM interaction")
    assert found == (pytest.approx(talks.sum(), rel=1e-6), len(talks))
    assert wazo.published("average_handle_time") == {"all": (None, figure(real=8, slice=3))}


def test_nobody_is_made_up(wazo: RealProject) -> None:
    assert wazo.row("SELECT count(*) FROM customer") == (0,)
