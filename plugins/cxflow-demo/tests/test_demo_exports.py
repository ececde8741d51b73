"""The demo's files: reproducible, untidy in the promised ways, and read back to what the truth says."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from demo_reader import FILES, MADRID, STREAMS, Demo, Line, moment

from cxflow_demo.simulation import generate

VERSIONED = ("crm.leads",)
ENDED = ("callcentre.calls",)
"""Exports that end in the history."""
DAILY_START = "2026-03-28"


def contents(folder: Path) -> dict[str, tuple[bytes, float]]:
    return {
        str(path.relative_to(folder)): (
            path.read_bytes(),
            path.stat().st_mtime if path.suffix != ".json" else 0,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_one_seed_always_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("once", "again"):
        generate(tmp_path / name, seed=3, scale=0.05)
    assert contents(tmp_path / "once") == contents(tmp_path / "again")


def test_generating_over_an_older_demo_leaves_nothing_of_it(tmp_path: Path) -> None:
    generate(tmp_path / "fresh", seed=4, scale=0.05)
    generate(tmp_path / "used", seed=3, scale=0.1)
    generate(tmp_path / "used", seed=4, scale=0.05)
    assert contents(tmp_path / "fresh") == contents(tmp_path / "used")


def test_another_seed_is_another_company(tmp_path: Path) -> None:
    one, other = (generate(tmp_path / str(seed), seed=seed, scale=0.05).truth for seed in (1, 2))
    assert one.kpis != other.kpis


def test_the_default_demo_has_tens_of_thousands_of_records(demo: Demo) -> None:
    assert 20_000 <= sum(demo.truth.records.values()) <= 80_000


def test_every_stream_has_a_file_for_each_day_dated_to_its_end(demo: Demo) -> None:
    files = sorted((demo.folder / "exports").rglob("*-2026-*"))
    assert len(files) == 90 * (len(FILES) - 1) + 67, "one system was switched off on 8 March"
    for path in files:
        day = date.fromisoformat(path.stem[-10:])
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), MADRID)
        assert path.stat().st_mtime == end.timestamp()


def test_the_truth_on_disk_is_the_truth_returned(demo: Demo) -> None:
    assert json.loads((demo.folder / "truth.json").read_text(encoding="utf-8")) == asdict(demo.truth)


def test_the_truth_counts_every_record_of_every_file(demo: Demo) -> None:
    lines = Counter(line.stream for line in demo.lines)
    assert {stream: demo.truth.records[stream] for stream in FILES} == {
        stream: lines[stream] for stream in FILES
    }


def test_a_bad_record_breaks_one_rule_besides_those_of_what_is_computed_with_it(demo: Demo) -> None:
    for line in demo.lines:
        assert len(set(line.rules) - {"wait_fits_its_times", "expression"}) <= 1


@pytest.mark.parametrize("stream", FILES)
def test_the_bad_records_are_those_the_truth_expects_in_quarantine(demo: Demo, stream: str) -> None:
    bad = [line for line in demo.lines if line.stream == stream and line.rules]
    assert demo.truth.quarantine[stream] == Counter(rule for line in bad for rule in line.rules)
    assert len({line.raw for line in bad}) == len(bad), "no bad version is delivered twice"
    for name, arrived in demo.truth.deliveries.items():
        within = [line for line in bad if line.day == name or (name == "history" and line.day < DAILY_START)]
        assert arrived.quarantine[stream] == Counter(rule for line in within for rule in line.rules)


@pytest.mark.parametrize("stream", FILES)
def test_every_rule_of_a_stream_is_broken_in_the_history_and_in_the_last_days(
    demo: Demo, stream: str
) -> None:
    bad = [line for line in demo.lines if line.stream == stream and line.rules]
    history, last = [x for x in bad if x.day < DAILY_START], [x for x in bad if x.day >= DAILY_START]
    for part in [history] if stream in ENDED else [history, last]:
        assert {rule for line in part for rule in line.rules} == set(demo.truth.quarantine[stream])


@pytest.mark.parametrize("stream", STREAMS)
def test_live_records_are_the_good_keys_that_were_not_deleted(demo: Demo, stream: str) -> None:
    assert demo.truth.live[stream] == len(demo.final(stream))


def test_a_bad_version_is_the_only_one_or_a_good_one_follows(demo: Demo) -> None:
    mended = 0
    for lines in by_key(demo).values():
        bad = [line for line in lines if line.rules]
        good = [line for line in lines if not line.rules]
        assert len(bad) <= 1
        for line in bad:
            assert all(line.day < other.day and line.changed <= other.changed for other in good)
            mended += bool(good)
    assert mended >= 20


def test_only_updated_records_ever_say_something_new(demo: Demo) -> None:
    for (stream, *_), lines in by_key(demo).items():
        good = {line.raw for line in lines if not line.rules}
        assert len(good) == len({line.changed for line in lines if not line.rules}) or stream not in VERSIONED
        assert len(good) <= 1 or stream in VERSIONED


@pytest.mark.parametrize("stream", FILES)
def test_duplicates_arrive_within_a_file_and_on_a_later_day(demo: Demo, stream: str) -> None:
    for part in parts(demo, stream):
        raws: dict[str, list[str]] = defaultdict(list)
        for line in part:
            raws[line.raw].append(line.day)
        assert any(len(days) > len(set(days)) for days in raws.values())
        assert any(len(set(days)) > 1 for days in raws.values())


@pytest.mark.parametrize("stream", VERSIONED)
def test_an_older_version_arrives_after_a_newer_one(demo: Demo, stream: str) -> None:
    for part in parts(demo, stream):
        newest: dict[tuple[object, ...], datetime] = {}
        overtaken = 0
        for line in part:
            overtaken += line.key in newest and line.changed < newest[line.key]
            newest[line.key] = max(line.changed, newest.get(line.key, line.changed))
        assert overtaken >= 3


@pytest.mark.parametrize("stream", FILES)
def test_some_records_arrive_two_to_five_days_late(demo: Demo, stream: str) -> None:
    _, updated, created, ends, *_ = STREAMS[stream]
    for part in parts(demo, stream):
        seen: set[str] = set()
        delays = Counter[int]()
        for line in part:
            if not line.rules and line.raw not in seen:
                seen.add(line.raw)
                happened = moment(line.row[updated or (ends[-1] if ends else created)])
                assert happened
                delays[(date.fromisoformat(line.day) - happened.astimezone(MADRID).date()).days] += 1
        assert sum(delays[days] for days in (2, 3, 4, 5)) >= 8
        assert min(delays) == 0


def test_no_call_falls_into_the_hour_that_the_clocks_skip(demo: Demo) -> None:
    rows = [line.row for line in demo.lines if line.stream == "callcentre.calls" and not line.rules]
    assert not any(row[name][:13] == "2026-03-29 02" for row in rows for name in ("started_at", "ended_at"))


def test_the_calls_of_the_old_system_end_where_those_of_twilio_begin(demo: Demo) -> None:
    moved = datetime(2026, 3, 2, tzinfo=MADRID)
    old = [moment(row["started_at"]) for row in demo.final("callcentre.calls")]
    new = [moment(row["started_at"]) for row in demo.final("voice.calls")]
    assert moved - timedelta(days=3) < max(each for each in old if each) < moved
    assert moved < min(each for each in new if each) < moved + timedelta(days=1)
    assert {row["call"] for row in demo.final("voice.tasks")} <= {
        row["sid"] for row in demo.final("voice.calls")
    }


def test_notes_hold_commas_quotes_and_line_breaks(demo: Demo) -> None:
    comments = [row["note"] for row in demo.final("callcentre.calls")]
    assert all(any(sign in comment for comment in comments) for sign in (",", '"', "\r\n"))


def test_every_phone_is_one_that_could_exist(demo: Demo) -> None:
    phonenumbers = pytest.importorskip("phonenumbers")
    phones = {row["caller"] for row in demo.final("callcentre.calls")} - {"anonymous"}
    phones |= {row["caller"] for row in demo.final("voice.tasks")} - {None}
    phones |= {row["Phone"] for row in demo.final("hubspot.contacts")} - {None}
    for phone in phones:
        assert phonenumbers.is_valid_number(phonenumbers.parse(phone, "ES")), phone


def by_key(demo: Demo) -> dict[tuple[object, ...], list[Line]]:
    """The deliveries of each record whose key can be read, in order."""
    found: dict[tuple[object, ...], list[Line]] = defaultdict(list)
    for line in demo.lines:
        if line.key:
            found[line.stream, *line.key].append(line)
    return found


def parts(demo: Demo, stream: str) -> list[list[Line]]:
    """The readable lines of a stream: those of the history, and those of the last days unless it ends before."""
    lines = [line for line in demo.lines if line.stream == stream and line.key]
    history, last = [x for x in lines if x.day < DAILY_START], [x for x in lines if x.day >= DAILY_START]
    return [history] if stream in ENDED else [history, last]


def test_the_simulation_runs_without_cxflow(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom cxflow_demo.simulation import generate\n"
        f"generate(Path({str(tmp_path)!r}), scale=0.01)\n"
        "sys.exit(any(name.split('.')[0] == 'cxflow' for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
