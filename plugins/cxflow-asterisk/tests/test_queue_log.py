"""The state machine: what each event does to an offer."""

from collections.abc import Iterator
from typing import Any

import pytest

from cxflow_asterisk.queue_log import COLUMNS, QueueLog, time_of

CALL = "1772360129.42"
ENTER = f"1772360130|{CALL}|care|NONE|ENTERQUEUE||07700900123|1"
CONNECT = f"1772360161|{CALL}|care|PJSIP/8008|CONNECT|31|1772360156.44|4"


def offers(*lines: str | bytes, **options: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The records and complaints of a log of these lines."""
    complaints: list[str] = []
    log = QueueLog(
        began_at=1772360000,
        longest_call_hours=options.get("longest_call_hours", 12),
        encoding=options.get("encoding", "utf-8"),
        keep=options.get("keep", lambda _: True),
        complain=lambda reason, _: complaints.append(reason),
    )

    def read() -> Iterator[tuple[int, bytes]]:
        at = 0
        for line in lines:
            text = (line if isinstance(line, bytes) else line.encode()) + b"\n"
            yield at, text
            at += len(text)

    return list(log.records(read(), "head", options.get("fresh", 0))), complaints


def one(*lines: str | bytes, **options: Any) -> dict[str, Any]:
    records, complaints = offers(*lines, **options)
    assert complaints == []
    assert len(records) == 1
    return records[0]


def test_an_answered_call_is_put_together_from_its_events() -> None:
    assert one(
        "1772360100|NONE|NONE|NONE|QUEUESTART|",
        ENTER,
        f"1772360136|{CALL}|care|PJSIP/8007|RINGNOANSWER|5000",
        f"1772360141|{CALL}|care|PJSIP/8009|RINGNOANSWER|1500",
        CONNECT,
        f"1772360348|{CALL}|care|PJSIP/8008|COMPLETECALLER|31|187|1",
    ) == {
        "id": f"{CALL}/care/1772360130",
        "call_id": CALL,
        "queue": "care",
        "continues": False,
        "entered_at": 1772360130,
        "connected_at": 1772360161,
        "ended_at": 1772360348,
        "known_at": 1772360348,
        "wait_seconds": "31",
        "talk_seconds": "187",
        "ring_no_answers": 2,
        "ring_no_answer_seconds": 6.5,
        "agent": "PJSIP/8008",
        "outcome": "answered",
        "ended_by": "caller",
        "transferred_to": None,
        "caller": "07700900123",
        "caller_number": "07700900123",
        "position": "1",
    }


def test_every_record_has_exactly_the_declared_columns() -> None:
    assert tuple(one(ENTER, f"1772360140|{CALL}|care|NONE|ABANDON|1|1|10")) == COLUMNS


@pytest.mark.parametrize(
    ("event", "outcome", "wait"),
    [
        ("ABANDON|1|2|79", "abandoned", "79"),
        ("EXITWITHTIMEOUT|1|2|79", "timeout", "79"),
        ("EXITWITHTIMEOUT|1", "timeout", 80),  # older releases give the position only: the stamps tell
        ("EXITEMPTY|1|1|80", "exit_empty", "80"),
        ("EXITWITHKEY|3|1|2|78", "exit_key", "78"),
        ("EXITWITHKEY|3|1", "exit_key", 80),
        ("WITHDRAW|1|1|77|closing", "system", "77"),
        ("SYSCOMPAT|", "system", 80),
        ("SYSCOMPAT", "system", 80),
    ],
)
def test_an_offer_that_is_not_answered_ends_with_its_wait(event: str, outcome: str, wait: object) -> None:
    record = one(ENTER, f"1772360210|{CALL}|care|NONE|{event}")
    assert (record["outcome"], record["wait_seconds"]) == (outcome, wait)
    assert (record["connected_at"], record["agent"], record["talk_seconds"]) == (None, None, None)
    assert record["ended_at"] == 1772360210


def test_the_agent_who_answers_as_the_caller_hangs_up_handled_nothing() -> None:
    record = one(ENTER, f"1772360140|{CALL}|care|PJSIP/8008|ABANDON|1|1|10")
    assert (record["outcome"], record["agent"], record["ended_by"]) == ("abandoned", None, "caller")


@pytest.mark.parametrize(
    ("event", "target"),
    [
        ("BLINDTRANSFER|8100|internal|31|60|1", "8100@internal"),
        ("TRANSFER|8100|internal|31|60|1", "8100@internal"),
        ("TRANSFER|8100|internal|31|60", "8100@internal"),
        ("ATTENDEDTRANSFER|8100|internal|31|60|1", "8100@internal"),
        ("ATTENDEDTRANSFER|BRIDGE|9f1c2a|31|60|1", "BRIDGE/9f1c2a"),
        ("ATTENDEDTRANSFER|APP|VoiceMail|31|60|1", "APP/VoiceMail"),
        ("ATTENDEDTRANSFER|LINK|PJSIP/8008-1|PJSIP/8100-2|31|60|1", "LINK/PJSIP/8008-1/PJSIP/8100-2"),
    ],
)
def test_a_transfer_tells_its_target_and_times_in_every_layout(event: str, target: str) -> None:
    record = one(ENTER, CONNECT, f"1772360221|{CALL}|care|PJSIP/8008|{event}")
    assert (record["outcome"], record["transferred_to"]) == ("transferred", target)
    assert (record["wait_seconds"], record["talk_seconds"]) == ("31", "60")
    assert record["agent"] == "PJSIP/8008"


def test_a_transfer_without_times_is_timed_by_its_stamps() -> None:
    record = one(ENTER, CONNECT, f"1772360221|{CALL}|care|PJSIP/8008|TRANSFER|8100|internal")
    assert (record["wait_seconds"], record["talk_seconds"]) == ("31", 60)


def test_what_follows_the_end_of_an_offer_is_not_a_second_one() -> None:
    one(
        ENTER,
        CONNECT,
        f"1772360221|{CALL}|care|PJSIP/8008|TRANSFER|8100|internal|31|60|1",
        f"1772360290|{CALL}|care|PJSIP/8008|COMPLETECALLER|31|129|1",
    )


def test_an_end_without_its_beginning_is_left_alone() -> None:
    assert offers(CONNECT, f"1772360221|{CALL}|care|PJSIP/8008|COMPLETEAGENT|31|60|1") == ([], [])


def test_a_missing_connect_is_told_by_the_end() -> None:
    record = one(ENTER, f"1772360221|{CALL}|care|PJSIP/8008|COMPLETEAGENT|31|60|1")
    assert (record["connected_at"], record["agent"]) == (1772360161, "PJSIP/8008")


def test_a_call_dumped_by_one_agent_may_be_answered_by_the_next() -> None:
    record = one(
        ENTER,
        f"1772360135|{CALL}|care|PJSIP/8007|AGENTDUMP|",
        CONNECT,
        f"1772360221|{CALL}|care|PJSIP/8008|COMPLETEAGENT|31|60|1",
    )
    assert (record["outcome"], record["agent"]) == ("answered", "PJSIP/8008")


def test_a_call_dumped_and_never_heard_of_again_ended_there() -> None:
    record = one(
        ENTER,
        f"1772360135|{CALL}|care|PJSIP/8007|AGENTDUMP|",
        f"{1772360130 + 12 * 3600 + 1}|NONE|NONE|NONE|CONFIGRELOAD|",
    )
    assert (record["outcome"], record["ended_at"], record["wait_seconds"]) == ("system", 1772360135, 5)


def test_each_queue_and_each_entry_is_an_offer_of_its_own() -> None:
    records, _ = offers(
        ENTER,
        f"1772360160|{CALL}|care|NONE|EXITWITHTIMEOUT|1|1|30",
        f"1772360161|{CALL}|overflow|NONE|ENTERQUEUE||07700900123|3",
        f"1772360170|{CALL}|overflow|NONE|EXITEMPTY|1|3|9",
        f"1772360170|{CALL}|care|NONE|ENTERQUEUE||07700900123|2",
        f"1772360170|{CALL}|care|NONE|EXITEMPTY|2|2|0",
        f"1772360170|{CALL}|care|NONE|ENTERQUEUE||07700900123|2",
        f"1772360190|{CALL}|care|NONE|ABANDON|1|2|20",
    )
    assert [record["id"] for record in records] == [
        f"{CALL}/care/1772360130",
        f"{CALL}/overflow/1772360161",
        f"{CALL}/care/1772360170",
        f"{CALL}/care/1772360170.2",
    ]
    assert [record["continues"] for record in records] == [False, True, True, True]


def test_a_call_that_enters_again_has_left_before() -> None:
    records, _ = offers(
        ENTER,
        f"1772360161|{CALL}|overflow|NONE|ENTERQUEUE||07700900123|3",
        f"1772360170|{CALL}|overflow|NONE|ABANDON|1|3|9",
    )
    assert [(record["queue"], record["outcome"]) for record in records] == [
        ("care", "system"),
        ("overflow", "abandoned"),
    ]
    assert records[0]["ended_at"] is None


def test_an_open_offer_is_not_given_out_until_it_is_too_long_ago() -> None:
    assert offers(ENTER, CONNECT) == ([], [])
    record = one(ENTER, CONNECT, f"{1772360130 + 3601}|NONE|NONE|NONE|PAUSEALL|", longest_call_hours=1)
    assert (record["outcome"], record["connected_at"]) == ("answered", 1772360161)
    assert (record["ended_at"], record["talk_seconds"]) == (None, None)


def test_a_pipe_in_the_caller_id_does_not_shift_the_fields() -> None:
    record = one(
        f'1772360130|{CALL}|care|NONE|ENTERQUEUE|https://crm.example/|"O|Brien|x" <02079460456>|2',
        f"1772360140|{CALL}|care|NONE|ABANDON|1|2|10",
    )
    assert record["caller"] == '"O|Brien|x" <02079460456>'
    assert (record["caller_number"], record["position"]) == ("02079460456", "2")


def test_a_pipe_in_an_agents_name_does_not_hide_the_event() -> None:
    record = one(
        ENTER,
        f"1772360161|{CALL}|care|Ann|Team B|CONNECT|31|1772360156.44|4",
        f"1772360221|{CALL}|care|Ann|Team B|COMPLETEAGENT|31|60|1",
    )
    assert (record["agent"], record["talk_seconds"]) == ("Ann|Team B", "60")


def test_an_old_log_has_no_position() -> None:
    record = one(
        f"1772360130|{CALL}|care|NONE|ENTERQUEUE||07700900123",
        f"1772360140|{CALL}|care|NONE|ABANDON|1|2|10",
    )
    assert (record["caller"], record["position"]) == ("07700900123", None)


@pytest.mark.parametrize(("caller", "kept"), [("anonymous", "anonymous"), ("", None), ("8001", "8001")])
def test_a_caller_without_a_number_names_nobody(caller: str, kept: str | None) -> None:
    record = one(
        f"1772360130|{CALL}|care|NONE|ENTERQUEUE||{caller}|1",
        f"1772360140|{CALL}|care|NONE|ABANDON|1|2|10",
    )
    assert (record["caller"], record["caller_number"]) == (kept, None)


def test_pseudo_calls_and_configuration_events_are_passed_over() -> None:
    assert offers(
        "1772360100|NONE|NONE|NONE|QUEUESTART|",
        "1772360100|NONE|NONE|NONE|CONFIGRELOAD|",
        "1772360101|REALTIME|NONE|PJSIP/8008|PAUSE|lunch",
        "1772360102|MANAGER|care|PJSIP/8008|ADDMEMBER|",
        "1772360103|NONE|care|NONE|ENTERQUEUE||07700900123|1",
        "1772360104|1772360104.1|NONE|Agent/1|AGENTLOGIN|PJSIP/8008",
        f"1772360105|{CALL}|care|NONE|DID|02079460000",
        "",
    ) == ([], [])


def test_lines_that_are_no_events_are_told_with_their_reason() -> None:
    records, complaints = offers(
        b"garbage",
        b"\x00\x00\x00|a|b|c|d",
        b"yesterday|1.1|care|NONE|ENTERQUEUE||07700900123|1",
        b"123456789012|1.1|care|NONE|ABANDON|1|1|2",
        "١٧٧٢٣٦٠١٣٠|1.1|care|NONE|ABANDON|1|1|2",
    )
    assert records == []
    assert complaints == ["fewer than five fields", *["no epoch"] * 4]


def test_bytes_of_another_encoding_are_replaced_or_read_as_told() -> None:
    lines = (
        f"1772360130|{CALL}|r\xe9clam|NONE|ENTERQUEUE||07700900123|1".encode("latin-1"),
        f"1772360140|{CALL}|r\xe9clam|NONE|ABANDON|1|2|10".encode("latin-1"),
    )
    assert one(*lines)["queue"] == "r\ufffdclam"
    assert one(*lines, encoding="latin-1")["queue"] == "r\xe9clam"


def test_a_number_that_is_none_is_left_to_be_refused_with_its_text() -> None:
    record = one(ENTER, f"1772360140|{CALL}|care|NONE|ABANDON|1|1|soon")
    assert record["wait_seconds"] == "soon"


def test_a_clock_set_back_gives_no_negative_wait() -> None:
    record = one(ENTER, f"1772360100|{CALL}|care|NONE|EXITWITHTIMEOUT|1")
    assert record["wait_seconds"] == 0


def test_only_ends_within_the_window_and_behind_what_was_read_are_given_out() -> None:
    lines = (ENTER, f"1772360140|{CALL}|care|NONE|ABANDON|1|1|10")
    assert offers(*lines, keep=lambda known: known < 1772360140)[0] == []
    assert offers(*lines, fresh=len(ENTER) + 1)[0] != []
    assert offers(*lines, fresh=len(ENTER) + 2)[0] == []


@pytest.mark.parametrize(
    ("line", "time"), [(b"1772360130|a|b\n", 1772360130.0), (b"x|a\n", None), (b"\n", None)]
)
def test_a_lines_time_is_its_epoch(line: bytes, time: float | None) -> None:
    assert time_of(line) == time
