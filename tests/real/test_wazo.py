"""A switchboard's log of channel events: every call against the events themselves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from real_project import RealProject
from real_sets import WAZO

CALL = ["scenario", "linkedid"]


@pytest.fixture(scope="module")
def events(real_data: Path) -> pd.DataFrame:
    """The events; a stamp without an offset is in UTC."""
    found = pd.read_csv(real_data / WAZO.files["switchboard.calls"], dtype=str, keep_default_na=False)
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


def microseconds(at: pd.Timestamp) -> int:
    return at.value // 1_000


def test_1509_events_are_77_calls(wazo: RealProject, events: pd.DataFrame, calls: pd.DataFrame) -> None:
    assert (len(events), events["linkedid"].nunique(), len(calls)) == (1_509, 64, 77)
    found = wazo.rows("SELECT source_record_id FROM source_record")
    assert {record for (record,) in found} == {"|".join(call) for call in calls.index}


def test_half_of_the_stamps_have_no_offset_and_no_call_mixes_the_two(events: pd.DataFrame) -> None:
    assert events["offset"].value_counts().to_dict() == {"": 734, "+00": 387, "-04": 300, "-05": 88}
    assert events.groupby(CALL)["offset"].nunique().max() == 1


def test_calls_with_the_world_outside_are_touchpoints_and_those_within_the_house_are_none(
    wazo: RealProject, calls: pd.DataFrame
) -> None:
    outside = calls.dropna(subset="direction")
    assert outside["direction"].value_counts().to_dict() == {"inbound": 17, "outbound": 10}
    found = wazo.rows("SELECT direction, epoch_us(occurred_at) FROM touchpoint")
    expected = sorted(zip(outside["direction"], map(microseconds, outside["began_at"]), strict=True))
    assert sorted(found) == expected


def test_a_call_is_answered_when_a_second_telephone_joins_it(
    wazo: RealProject, incoming: pd.DataFrame
) -> None:
    found = dict(wazo.rows("SELECT source_record_id, epoch_us(answered_at) FROM interaction"))
    assert found == {
        "|".join(call): None if pd.isna(at) else microseconds(at)
        for call, at in incoming["answered_at"].items()
    }


def test_calls_that_nobody_joined_are_abandoned(wazo: RealProject, incoming: pd.DataFrame) -> None:
    unanswered = int(incoming["answered_at"].isna().sum())
    assert 0 < unanswered < len(incoming)
    expected = (pytest.approx(unanswered / len(incoming)), len(incoming))
    assert wazo.published("abandonment_rate") == {"all": expected}


def test_handle_time_is_from_the_answer_to_the_last_event(wazo: RealProject, incoming: pd.DataFrame) -> None:
    answered = incoming.dropna(subset="answered_at")
    talks = (answered["ended_at"] - answered["answered_at"]).dt.total_seconds()
    # Eight are too few for the KPI to be shown.
    found = wazo.row("SELECT sum(talk_seconds), count(talk_seconds) FROM interaction")
    assert found == (pytest.approx(talks.sum(), rel=1e-6), len(talks))
    assert wazo.published("average_handle_time") == {"all": (None, 8)}


def test_nobody_is_made_up(wazo: RealProject) -> None:
    assert wazo.row("SELECT count(*) FROM customer") == (0,)
