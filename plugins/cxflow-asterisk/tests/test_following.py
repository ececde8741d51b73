"""Runs one after another over a log that grows and is rotated."""

import json
import shutil
from datetime import UTC, datetime

import pytest
from conftest import Pbx
from cxflow import SourceError, TransientError, Window

T = 1772360000


def enter(call: int, at: int, queue: str = "care") -> str:
    return f"{T + at}|{T}.{call}|{queue}|NONE|ENTERQUEUE||07700900{call:03d}|1"


def connect(call: int, at: int, wait: int, queue: str = "care") -> str:
    return f"{T + at}|{T}.{call}|{queue}|PJSIP/8008|CONNECT|{wait}|{T}.9{call}|3"


def complete(call: int, at: int, wait: int, talk: int, queue: str = "care") -> str:
    return f"{T + at}|{T}.{call}|{queue}|PJSIP/8008|COMPLETECALLER|{wait}|{talk}|1"


def abandon(call: int, at: int, wait: int, queue: str = "care") -> str:
    return f"{T + at}|{T}.{call}|{queue}|NONE|ABANDON|1|1|{wait}"


def offer(call: int, at: int, queue: str = "care") -> str:
    return f"{T}.{call}/{queue}/{T + at}"


def test_an_open_call_is_held_until_a_later_run_sees_its_end(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), enter(2, 5), abandon(2, 15, 10))
    assert pbx.scheduled().ids == [offer(2, 5)]
    pbx.write(connect(1, 20, 20))
    assert pbx.scheduled().ids == []
    pbx.write(complete(1, 80, 20, 60))
    (record,) = pbx.scheduled().landed
    assert record["id"] == offer(1, 0)
    assert (record["caller"], record["connected_at"], record["talk_seconds"]) == ("07700900001", T + 20, "60")
    assert pbx.scheduled().ids == []


def test_what_runs_give_out_one_by_one_is_what_one_run_gives_out(pbx: Pbx) -> None:
    lines = []
    for call in range(1, 60):
        lines += [(call * 7, enter(call, call * 7)), (call * 7 + 200, abandon(call, call * 7 + 200, 200))]
        if call % 3 == 0:
            lines += [(call * 7 + 201, enter(call, call * 7 + 201, "late"))]
            lines += [(call * 7 + 230, abandon(call, call * 7 + 230, 29, "late"))]
    lines.sort()
    landed = []
    for _, line in lines:
        pbx.write(line)
        landed += pbx.scheduled().landed
    assert landed == pbx.backfill().landed
    assert len(landed) == 59 + 19
    assert sum(record["continues"] for record in landed) == 19


def test_the_cursor_holds_no_personal_data_and_is_json(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), connect(1, 20, 20))
    pbx.scheduled()
    text = json.dumps(pbx.cursor)
    assert "07700900" not in text
    assert "PJSIP" not in text
    assert json.loads(text) == pbx.cursor


def test_a_last_line_without_its_end_is_left_for_the_next_run(pbx: Pbx) -> None:
    pbx.write(enter(1, 0))
    pbx.write(abandon(1, 10, 10), end="")
    assert pbx.scheduled().ids == []
    pbx.write("", end="\n")
    assert pbx.scheduled().ids == [offer(1, 0)]


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), enter(2, 5))
    pbx.scheduled()
    pbx.write(abandon(2, 15, 10))
    pbx.rename("queue_log", "queue_log.1")
    pbx.write(f"{T + 50}|NONE|NONE|NONE|CONFIGRELOAD|", abandon(1, 60, 60))
    sink = pbx.scheduled()
    assert sink.ids == [offer(2, 5), offer(1, 0)]
    assert sink.origins == ["queue_log.1", "queue_log"]
    assert sink.refused == []
    assert pbx.scheduled().ids == []


def test_a_call_may_span_three_files(pbx: Pbx) -> None:
    pbx.write(enter(1, 0))
    pbx.scheduled()
    pbx.rename("queue_log", "queue_log.1")
    pbx.write(connect(1, 20, 20))
    pbx.scheduled()
    pbx.rename("queue_log.1", "queue_log.2")
    pbx.pack("queue_log.2")
    pbx.rename("queue_log", "queue_log.1")
    pbx.write(complete(1, 90, 20, 70))
    (record,) = pbx.scheduled().landed
    assert (record["id"], record["connected_at"], record["talk_seconds"]) == (offer(1, 0), T + 20, "70")


def test_a_copied_and_truncated_file_is_not_read_twice(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), abandon(1, 10, 10), enter(2, 20))
    assert pbx.scheduled().ids == [offer(1, 0)]
    pbx.write(abandon(2, 30, 10))
    shutil.copy(pbx.folder / "queue_log", pbx.folder / "queue_log.1")
    assert pbx.scheduled().ids == [offer(2, 20)]  # both are there with the same text
    (pbx.folder / "queue_log").write_bytes(b"")
    assert pbx.scheduled().ids == []
    pbx.write(enter(3, 40), abandon(3, 50, 10))
    assert pbx.scheduled().ids == [offer(3, 40)]


def test_a_packed_file_goes_on_where_the_plain_one_was_left(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), abandon(1, 10, 10))
    assert pbx.scheduled().ids == [offer(1, 0)]
    pbx.write(enter(2, 20), abandon(2, 30, 10))
    pbx.rename("queue_log", "queue_log-20260301")
    pbx.pack("queue_log-20260301")
    pbx.write(enter(3, 40), abandon(3, 50, 10))
    assert pbx.scheduled().ids == [offer(2, 20), offer(3, 40)]
    assert pbx.connector().plan(pbx.stream(), Window(None, datetime.now(UTC)), pbx.cursor) == []


def test_a_packed_file_that_is_cut_off_asks_for_another_try(pbx: Pbx) -> None:
    pbx.write(*(enter(call, call) for call in range(900)))
    pbx.rename("queue_log", "queue_log.1")
    pbx.pack("queue_log.1")
    packed = pbx.folder / "queue_log.1.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(TransientError, match="is truncated"):
        pbx.scheduled()
    pbx.write(enter(1, 0), abandon(1, 10, 10), to="queue_log.1")  # what gzip is working on
    assert pbx.scheduled().ids == [offer(1, 0)]


def test_files_of_other_packers_and_no_logs_are_refused(pbx: Pbx) -> None:
    pbx.write(enter(1, 0))
    (pbx.folder / "queue_log.1.bz2").write_bytes(b"BZh9")
    with pytest.raises(SourceError, match="gzip"):
        pbx.scheduled()
    (pbx.folder / "queue_log.1.bz2").unlink()
    (pbx.folder / "queue_log.1.gz").write_bytes(b"not gzip at all")
    with pytest.raises(SourceError, match="not a readable gzip file"):
        pbx.scheduled()


def test_the_fragment_at_the_end_of_a_finished_file_counts_as_a_line(pbx: Pbx) -> None:
    pbx.write(enter(1, 0))
    pbx.write(abandon(1, 10, 10), end="")
    assert pbx.scheduled().ids == []
    pbx.rename("queue_log", "queue_log.1")
    pbx.write(enter(2, 20))
    assert pbx.scheduled().ids == [offer(1, 0)]
    assert pbx.scheduled().ids == []


def test_a_rewritten_file_is_read_again(pbx: Pbx) -> None:
    pbx.write(f"{T - 5}|NONE|NONE|NONE|QUEUESTART|", enter(1, 0), abandon(1, 10, 10))
    assert pbx.scheduled().ids == [offer(1, 0)]
    path = pbx.folder / "queue_log"
    path.write_text(path.read_text().replace("07700900001", ""))
    (record,) = pbx.scheduled().landed
    assert (record["id"], record["caller"]) == (offer(1, 0), None)


def test_a_file_that_vanished_with_unread_lines_is_told(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), abandon(1, 10, 10))
    pbx.scheduled()
    pbx.rename("queue_log", "gone-elsewhere")
    pbx.write(enter(2, 20), abandon(2, 30, 10))
    sink = pbx.scheduled()
    assert sink.ids == [offer(2, 20)]
    assert ["lost in a rotation" in reason for reason, _ in sink.refused] == [True]
    assert pbx.scheduled().refused == []


def test_old_files_may_go_once_they_are_read(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), abandon(1, 10, 10))
    pbx.rename("queue_log", "queue_log.1")
    pbx.write(enter(2, 20), abandon(2, 30, 10))
    pbx.scheduled()
    (pbx.folder / "queue_log.1").unlink()
    pbx.write(enter(3, 40), abandon(3, 50, 10))
    sink = pbx.scheduled()
    assert (sink.ids, sink.refused) == ([offer(3, 40)], [])
    assert len(pbx.cursor["logs"]["queue_log"]["read"]) == 1


def test_a_folder_that_is_not_mounted_changes_nothing(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), abandon(1, 10, 10), enter(2, 20))
    pbx.scheduled()
    before = pbx.cursor
    pbx.rename("queue_log", "aside")
    assert pbx.scheduled().ids == []
    assert pbx.cursor == before
    pbx.rename("aside", "queue_log")
    pbx.write(abandon(2, 30, 10))
    assert pbx.scheduled().ids == [offer(2, 20)]


def test_only_the_last_hours_are_read_again(pbx: Pbx) -> None:
    hour = 3600
    pbx.streams = {"queue_calls": {"longest_call_hours": 1}}
    for call in range(10):
        pbx.write(enter(call, call * hour), abandon(call, call * hour + 5, 5))
    pbx.scheduled()
    _, offset = pbx.cursor["logs"]["queue_log"]["from"]
    text = (pbx.folder / "queue_log").read_bytes()
    assert text[offset:].decode().splitlines()[0] == enter(8, 8 * hour)


def test_a_backfill_takes_the_calls_that_ended_in_its_window_from_all_files(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), abandon(1, 10, 10), enter(2, 20))
    pbx.rename("queue_log", "queue_log.1")
    pbx.pack("queue_log.1")
    pbx.write("junk", abandon(2, 100, 80), enter(3, 110), abandon(3, 200, 90))
    window = Window(datetime.fromtimestamp(T + 50, UTC), datetime.fromtimestamp(T + 200, UTC))
    assert pbx.backfill(window=window).ids == [offer(2, 20)]
    assert pbx.backfill().ids == [offer(1, 0), offer(2, 20), offer(3, 110)]
    assert pbx.cursor == {}


def test_a_first_run_begins_at_its_windows_start(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), abandon(1, 10, 10), enter(2, 20), abandon(2, 100, 80))
    start = datetime.fromtimestamp(T + 50, UTC)
    assert pbx.scheduled(window=Window(start, datetime(2100, 1, 1, tzinfo=UTC))).ids == [offer(2, 20)]


def test_malformed_lines_land_once_with_their_text(pbx: Pbx) -> None:
    pbx.write(enter(1, 0), "not a line", abandon(1, 10, 10))
    sink = pbx.scheduled()
    assert sink.refused == [("fewer than five fields", "not a line")]
    pbx.write(enter(2, 20))
    assert pbx.scheduled().refused == []


def test_several_servers_are_several_logs(pbx: Pbx) -> None:
    pbx.streams = {"queue_calls": {"path": "*/queue_log*"}}
    pbx.write(enter(1, 0), to="a/queue_log")
    pbx.write(enter(2, 0), to="b/queue_log")
    pbx.scheduled()
    pbx.rename("a/queue_log", "a/queue_log.1")
    pbx.write(abandon(1, 10, 10), to="a/queue_log")
    pbx.write(abandon(2, 10, 10), to="b/queue_log")
    assert pbx.scheduled().ids == [offer(1, 0), offer(2, 0)]
    assert set(pbx.cursor["logs"]) == {"a/queue_log", "b/queue_log"}


def test_rotated_files_may_be_in_a_folder_of_their_own(pbx: Pbx) -> None:
    pbx.streams = {"queue_calls": {"rotated": ["archive/queue_log*"]}}
    pbx.write(enter(1, 0))
    pbx.scheduled()
    (pbx.folder / "archive").mkdir()
    pbx.rename("queue_log", "archive/queue_log-20260301")
    pbx.write(abandon(1, 10, 10))
    assert pbx.scheduled().ids == [offer(1, 0)]


def test_the_plan_names_files_and_bytes(pbx: Pbx) -> None:
    pbx.write(enter(1, 0))
    connector = pbx.connector()
    window = Window(None, datetime(2026, 3, 2, tzinfo=UTC))
    assert connector.plan(pbx.stream(), window, {}) == [f"{pbx.folder}/queue_log from byte 0"]
    assert "for what ended in" in connector.plan(pbx.stream(), window, None)[0]
    pbx.scheduled()
    pbx.write(abandon(1, 10, 10))
    (line,) = connector.plan(pbx.stream(), window, pbx.cursor)
    assert line.endswith(f"from byte 0, new from {len(enter(1, 0)) + 1}")
