"""Call detail records: layouts, times, and which row stands for its call."""

from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import Pbx
from cxflow import ConfigError, Window

LOG = "cdr-csv/Master.csv"
DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


def row(uniqueid: str = "1772360129.42", **cells: str) -> str:
    """A row of Master.csv with 18 columns, quoted as Asterisk does."""
    values: dict[str, str] = {
        "accountcode": "",
        "src": "07700900123",
        "dst": "8008",
        "dcontext": "from-trunk",
        "clid": '"Jane ""JR"" Roe" <07700900123>',
        "channel": "PJSIP/trunk-00000001",
        "dstchannel": "PJSIP/8008-00000002",
        "lastapp": "Dial",
        "lastdata": "PJSIP/8008,30",
        "start": "2026-03-01 10:15:29",
        "answer": "2026-03-01 10:15:35",
        "end": "2026-03-01 10:19:08",
        "duration": "219",
        "billsec": "213",
        "disposition": "ANSWERED",
        "amaflags": "DOCUMENTATION",
        "uniqueid": uniqueid,
        "userfield": "",
    }
    values |= cells
    values["clid"] = values["clid"].replace('""', '"').replace('"', '""')
    bare = {"duration", "billsec"} | ({"answer"} if not values["answer"] else set())
    return ",".join(value if name in bare else f'"{value}"' for name, value in values.items())


def landed(pbx: Pbx, *rows: str) -> list[dict[str, Any]]:
    pbx.write(*rows, to=LOG)
    return pbx.scheduled("cdr").landed


def test_a_direct_call_of_a_customer_is_a_contact(pbx: Pbx) -> None:
    (record,) = landed(pbx, row())
    assert record["clid"] == '"Jane "JR" Roe" <07700900123>'
    assert record["userfield"] is None
    assert (record["contact"], record["customer_number"]) == ("inbound", "07700900123")
    assert record["conversation_id"] == "1772360129.42"
    assert record["called_at"] == "2026-03-01T10:15:29+00:00"
    assert record["ended_at"] == "2026-03-01T10:19:08+00:00"


def test_a_call_that_rang_in_vain_is_a_contact_too(pbx: Pbx) -> None:
    (record,) = landed(pbx, row(answer="", disposition="NO ANSWER", dstchannel="", billsec="0"))
    assert (record["contact"], record["answer"]) == ("inbound", None)


def test_calls_of_queues_are_left_to_the_queue_log(pbx: Pbx) -> None:
    pbx.settings["queue_extensions"] = ["600"]
    records = landed(
        pbx,
        row("1772360129.1", lastapp="Queue", dst="601"),
        row("1772360129.2", lastapp="VoiceMail", dst="600"),
        # Answered by the switchboard first and by a queue later: what comes at one go is seen together.
        row("1772360129.3"),
        row("1772360129.3", lastapp="Queue", dst="601"),
    )
    assert [record["contact"] for record in records] == [None] * 4
    assert [record["conversation_id"] for record in records] == [f"1772360129.{n}" for n in (1, 2, 3, 3)]


def test_a_call_with_several_rows_is_one_contact(pbx: Pbx) -> None:
    records = landed(
        pbx,
        row(dstchannel="PJSIP/8007-3", disposition="NO ANSWER", answer=""),
        row(),
        row(dst="8100", dcontext="from-internal", dstchannel="PJSIP/8100-4", start="2026-03-01 10:19:08"),
    )
    assert [record["contact"] for record in records] == ["inbound", None, None]
    assert len({record["id"] for record in records}) == 3


def test_a_row_of_a_known_call_in_a_later_run_is_no_second_contact(pbx: Pbx) -> None:
    assert [record["contact"] for record in landed(pbx, row())] == ["inbound"]
    assert [record["contact"] for record in landed(pbx, row(dstchannel="PJSIP/8100-4"))] == [None]


@pytest.mark.parametrize(
    ("cells", "contact", "customer"),
    [
        ({"dst": "907700900456"}, "outbound", "07700900456"),
        ({"dst": "907700900456", "disposition": "BUSY"}, None, "07700900456"),
        ({"dst": "8100"}, None, None),
        ({"dst": "907700900456", "dcontext": "elsewhere"}, None, None),
    ],
)
def test_an_answered_call_to_a_customer_is_a_contact(
    pbx: Pbx, cells: dict[str, str], contact: str | None, customer: str | None
) -> None:
    pbx.settings["outbound_prefix"] = "9"
    (record,) = landed(pbx, row(**{"dcontext": "from-internal", "src": "8008", "clid": "", **cells}))
    assert (record["contact"], record["customer_number"]) == (contact, customer)


def test_contexts_are_a_setting(pbx: Pbx) -> None:
    pbx.settings |= {"inbound_contexts": ["incoming"], "outbound_contexts": []}
    records = landed(pbx, row("1.1", dcontext="incoming"), row("1.2"))
    assert [record["contact"] for record in records] == ["inbound", None]


def test_local_times_are_of_the_servers_zone(pbx: Pbx) -> None:
    summer = {"start": "2026-07-01 10:00:00", "end": "2026-07-01 10:01:00", "duration": "60"}
    (record,) = landed(pbx, row("pbx-1.7", **summer))
    assert (record["started_at"], record["called_at"]) == ("2026-07-01T09:00:00+00:00", None)
    pbx.cursor = {}
    pbx.settings = {"usegmtime": True}
    assert pbx.scheduled("cdr").landed[0]["started_at"] == "2026-07-01T10:00:00+00:00"


@pytest.mark.parametrize(
    ("uniqueid", "started"),
    [("1792890000.7", "2026-10-25T00:30:00+00:00"), ("pbx1-1792893600.8", "2026-10-25T01:30:00+00:00")],
)
def test_the_hour_that_comes_twice_is_told_by_the_calls_own_id(pbx: Pbx, uniqueid: str, started: str) -> None:
    # The clocks in London go back at 01:00 UTC: 01:30 was at 00:30 and at 01:30 UTC. The call's own id was
    # given 10 minutes before (00:20 and 01:20 UTC), and the end falls behind the change.
    (record,) = landed(
        pbx, row(uniqueid, start="2026-10-25 01:30:00", end="2026-10-25 01:15:00", duration="2700")
    )
    assert record["started_at"] == started
    assert datetime.fromisoformat(record["ended_at"]).timestamp() == (
        datetime.fromisoformat(started).timestamp() + 2700
    )


def test_a_missing_time_zone_is_an_error_that_says_how_to_mend_it(pbx: Pbx) -> None:
    pbx.settings = {}
    with pytest.raises(ConfigError, match="no timezone") as problem:
        pbx.connector()
    assert 'only = ["queue_calls"]' in str(problem.value)
    pbx.settings = {"only": ["queue_calls"]}
    assert set(pbx.connector().streams) == {"queue_calls"}
    pbx.settings, pbx.streams = {}, {"cdr": {"timezone": "Europe/London"}}
    assert set(pbx.connector().streams) == {"queue_calls", "cdr"}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (16, {"uniqueid": None, "userfield": None, "linkedid": None}),
        (17, {"uniqueid": "1772360129.42", "userfield": None}),
        (18, {"uniqueid": "1772360129.42", "userfield": None}),
        (21, {"uniqueid": "1772360129.42", "linkedid": "1772360120.40", "sequence": "77"}),
    ],
)
def test_every_width_of_master_csv_is_read(pbx: Pbx, columns: int, expected: dict[str, str | None]) -> None:
    cells = row().split(",")
    line = ",".join(cells[: columns + 1])  # lastdata holds a comma
    if columns == 21:
        line = row() + ',"","1772360120.40",77'
    (record,) = landed(pbx, line)
    assert {name: record.get(name) for name in expected} == expected
    assert record["contact"] == "inbound"
    if columns == 21:
        assert (record["id"], record["conversation_id"]) == ("1772360129.42/77", "1772360120.40")


def test_a_seventeenth_column_may_be_the_userfield(pbx: Pbx) -> None:
    (record,) = landed(pbx, row("vip").removesuffix(',""'))
    assert (record.get("uniqueid"), record["userfield"]) == (None, "vip")
    assert record["conversation_id"] == "PJSIP/trunk-00000001/2026-03-01 10:15:29"


def test_a_layout_of_ones_own_is_declared(pbx: Pbx) -> None:
    names = [
        "calldate",
        "src",
        "dst",
        "dcontext",
        "channel",
        "lastapp",
        "duration",
        "disposition",
        "uniqueid",
    ]
    pbx.streams = {"cdr": {"columns": names}}
    line = '2026-03-01 10:15:29,"02079460123","8008",from-trunk,PJSIP/t-1,Dial,60,"ANSWERED","1772360129.1"'
    (record,) = landed(pbx, line)
    assert (record["ended_at"], record["contact"]) == ("2026-03-01T10:16:29+00:00", "inbound")
    pbx.streams = {"cdr": {"columns": names[1:]}}
    with pytest.raises(ConfigError, match="columns must include start"):
        pbx.connector()
    pbx.streams = {"queue_calls": {"columns": names}}
    with pytest.raises(ConfigError, match="a queue log has none"):
        pbx.connector()


def test_rows_with_broken_quotes_or_missing_cells_are_told(pbx: Pbx) -> None:
    pbx.write(row(), '"","07700900123', '"a","b","c"', "", row("1772360129.43"), to=LOG)
    sink = pbx.scheduled("cdr")
    assert len(sink.landed) == 2
    assert [reason for reason, _ in sink.refused] == ["broken quotes", "3 fields"]


def test_a_time_that_is_none_is_left_to_be_refused_with_its_text(pbx: Pbx) -> None:
    (record,) = landed(pbx, row(start="soon", end="later"))
    assert (record["started_at"], record["ended_at"]) == ("soon", "later")


def test_a_rows_key_outlives_the_removal_of_its_numbers(pbx: Pbx) -> None:
    first = landed(pbx, row())[0]["id"]
    second = landed(pbx, row(src="", clid="", lastdata="", userfield="x"))[0]["id"]
    assert first == second


def test_a_backfill_takes_the_rows_that_ended_in_its_window(pbx: Pbx) -> None:
    pbx.write(row(start="2026-02-28 23:50:00"), row("2.2"), row("3.3", start="2026-03-02 00:00:00"), to=LOG)
    pbx.rename(LOG, LOG + ".1")
    pbx.pack(LOG + ".1")
    pbx.write(row("4.4", start="2026-02-28 23:59:59"), to=LOG)
    assert [record["uniqueid"] for record in pbx.backfill("cdr", DAY).landed] == ["2.2", "4.4"]


def test_rotation_is_followed(pbx: Pbx) -> None:
    landed(pbx, row("1.1"))
    pbx.write(row("1.2"), to=LOG)
    pbx.rename(LOG, LOG + ".1")
    assert [record["uniqueid"] for record in landed(pbx, row("1.3"))] == ["1.2", "1.3"]
