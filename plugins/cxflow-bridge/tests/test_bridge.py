"""Both protocols, from a program's lines to the warehouse."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bridge_programs as programs
import pytest
from cxflow import ConfigError, SourceError, TransientError, sources
from cxflow.testing import TestProject

FIRST, NEXT = (datetime(2026, 4, day, tzinfo=UTC) for day in (1, 2))


def project(folder: Path, connector: str, **more: Any) -> TestProject:
    stream: dict[str, Any] = {
        "primary_key": "id",
        "pii": ["email", "note"],
        "identifiers": {"email": "email"},
        "to": {
            "touchpoint": {
                "activity": "'contacted_support'",
                "channel": "case when note is null then 'web' else 'phone' end",
                "occurred_at": "created_at",
            }
        },
    }
    connection = {
        "connector": connector,
        "program": "tap-desk",
        "config": {"key": {"env": "DESK_KEY"}, "places": ["a", "b"]},
        "streams": {"tickets": stream},
        **more,
    }
    return TestProject(folder, {"landing": {"checkpoint_seconds": 0}, "connections": {"desk": connection}})


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_KEY", "a-key-of-the-desk")
    monkeypatch.setenv("OTHER_SECRET", "not-for-the-tap")


def records(found: TestProject) -> list[str]:
    return [row[0] for row in found.query("SELECT source_record_id FROM touchpoint ORDER BY 1")]


@pytest.mark.parametrize("connector", ["singer", "airbyte"])
def test_records_load_and_the_next_run_begins_at_the_state(tmp_path: Path, connector: str) -> None:
    if connector == "singer":
        catalogue, record, state = programs.SINGER, programs.singer, programs.singer_state
        expected: Any = {"bookmarks": {"tickets": {"id": 3}}}
    else:
        catalogue, record, state = programs.AIRBYTE, programs.airbyte, programs.airbyte_state
        expected = [programs.airbyte_state(3)["state"]]
    lines = [record(1, note=None), state(1), record(2), "a log line", record(3), state(3)]
    log = programs.write(tmp_path, "tap-desk", catalogue, lines)
    found = project(tmp_path, connector)
    assert found.run(end=FIRST)["desk.tickets"].counts.inserted == 3
    again = programs.write(tmp_path, "tap-desk", catalogue, [record(3), record(4), state(4)])
    counts = found.run(end=NEXT)["desk.tickets"].counts
    assert (counts.inserted, counts.unchanged) == (1, 1), "bookmarks include their last record"
    assert records(found) == ["1", "2", "3", "4"]
    [second] = programs.runs(again)
    assert second["state"] == expected
    assert log == again
    assert second["config"] == {"key": "a-key-of-the-desk", "places": ["a", "b"]}


def test_the_program_sees_no_other_secret_and_its_own_stand_on_no_command_line(tmp_path: Path) -> None:
    log = programs.write(tmp_path, "tap-desk", programs.SINGER, [programs.singer(1)])
    project(tmp_path, "singer").run(end=FIRST)
    [run] = programs.runs(log)
    assert "a-key-of-the-desk" not in json.dumps(run["arguments"])
    assert not {"OTHER_SECRET", "DESK_KEY"} & run["environment"].keys()


@pytest.mark.parametrize(
    ("name", "text"),
    [("manifest.json", '{"password": "{{ config }}"}'), ("manifest.yaml", "password: '{{ config }}'")],
)
def test_a_setting_may_be_a_document(tmp_path: Path, name: str, text: str) -> None:
    # In the file of settings, names like those of secrets would be refused.
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)
    log = programs.write(tmp_path, "tap-desk", programs.SINGER, [programs.singer(1)])
    project(tmp_path, "singer", config={"declared": {"document": name}}).run(end=FIRST)
    [run] = programs.runs(log)
    assert run["config"] == {"declared": {"password": "{{ config }}"}}


@pytest.mark.parametrize(("text", "said"), [(None, "No such file"), ("[", "it is no JSON")])
def test_a_document_that_is_none_is_an_error_of_the_settings(
    tmp_path: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    programs.write(tmp_path, "tap-desk", programs.SINGER, [programs.singer(1)])
    found = project(tmp_path, "singer", config={"declared": {"document": "manifest.json"}})
    with pytest.raises(ConfigError, match=rf"config\.declared: .*manifest\.json cannot be read: {said}"):
        found.run(end=FIRST)


def test_only_the_stream_is_selected_and_others_records_are_left_out(tmp_path: Path) -> None:
    log = programs.write(
        tmp_path, "tap-desk", programs.SINGER, [programs.singer(1), programs.singer(2, stream="other")]
    )
    found = project(tmp_path, "singer")
    found.run(end=FIRST)
    assert records(found) == ["1"]
    [run] = programs.runs(log)
    [entry] = run["catalog"]["streams"]
    assert entry["selected"] is True
    assert {"breadcrumb": [], "metadata": {"selected": True}} in entry["metadata"]


def test_a_key_that_airbyte_leaves_out_is_null(tmp_path: Path) -> None:
    programs.write(tmp_path, "tap-desk", programs.AIRBYTE, [programs.airbyte(1), programs.airbyte(2)])
    found = project(tmp_path, "airbyte")
    found.run(end=FIRST)
    assert found.query("SELECT DISTINCT channel FROM touchpoint") == [("web",)]


def test_a_backfill_begins_at_its_window_and_a_first_run_at_the_connections_start(tmp_path: Path) -> None:
    log = programs.write(
        tmp_path, "tap-desk", programs.SINGER, [programs.singer(1), programs.singer_state(1)]
    )
    found = project(tmp_path, "singer", start=datetime(2026, 2, 1, tzinfo=UTC))
    found.run(end=FIRST)
    found.run(mode="backfill", start=datetime(2026, 3, 1, tzinfo=UTC), end=FIRST)
    starts = [(run["config"].get("start_date"), run["state"]) for run in programs.runs(log)]
    assert starts == [("2026-02-01T00:00:00Z", None), ("2026-03-01T00:00:00Z", None)]


def test_a_program_that_is_killed_goes_on_at_its_last_state(tmp_path: Path) -> None:
    first = [programs.singer(number) for number in range(1, 1001)]
    programs.write(
        tmp_path,
        "tap-desk",
        programs.SINGER,
        [*first, programs.singer_state(1000), programs.singer(7)],
        signal=9,
    )
    found = project(tmp_path, "singer")
    with pytest.raises(TransientError, match="ended by signal 9"):
        found.run(end=FIRST)
    assert found.query("SELECT count(*) FROM load_run") == [(0,)]
    log = programs.write(
        tmp_path, "tap-desk", programs.SINGER, [programs.singer(1001), programs.singer_state(1001)]
    )
    assert found.run(end=FIRST)["desk.tickets"].counts.inserted == 1001
    assert programs.runs(log)[0]["state"] == {"bookmarks": {"tickets": {"id": 1000}}}


def test_what_airbyte_says_it_wrote_is_compared(tmp_path: Path) -> None:
    lines = [
        programs.airbyte(1),
        programs.airbyte_state(1, 1.0),
        programs.airbyte(2),
        programs.airbyte_state(2, 2.0),
    ]
    programs.write(tmp_path, "tap-desk", programs.AIRBYTE, lines)
    with pytest.raises(SourceError, match="says that it wrote 3 records, and 2 came"):
        project(tmp_path, "airbyte").run(end=FIRST)


TRACE = {
    "type": "TRACE",
    "trace": {"type": "ERROR", "error": {"message": "ana@example.org", "failure_type": "config_error"}},
}
LATER = {"type": "TRACE", "trace": {"type": "ERROR", "error": {"failure_type": "transient_error"}}}
CONFIG = "x.ConfigValidationError: ana@example.org"
TIMEOUT, KEY = "requests.exceptions.ReadTimeout", "KeyError: 'ana@example.org'"


@pytest.mark.parametrize(
    ("connector", "lines", "more", "error", "said"),
    [
        ("singer", [programs.singer(1), '{"type": "RECO'], {}, SourceError, "a line that is no message"),
        ("singer", [], {"exit": 1, "stderr": [CONFIG]}, ConfigError, "refuses its settings"),
        ("singer", [], {"exit": 1, "stderr": [TIMEOUT, KEY]}, TransientError, r"exit code 1 \(KeyError\)"),
        ("airbyte", [TRACE], {"exit": 1}, ConfigError, "refuses its settings"),
        ("airbyte", [LATER], {"exit": 1}, TransientError, "transient_error"),
    ],
)
def test_each_failure_has_its_class_and_quotes_nothing(
    tmp_path: Path, connector: str, lines: list[Any], more: dict[str, Any], error: type[Exception], said: str
) -> None:
    catalogue = programs.SINGER if connector == "singer" else programs.AIRBYTE
    programs.write(tmp_path, "tap-desk", catalogue, lines, **more)
    found = project(tmp_path, connector)
    with pytest.raises(error, match=said) as caught:
        found.run(end=FIRST)
    assert "desk.tickets" in str(caught.value)
    assert "ana@example.org" not in str(caught.value)
    assert found.query("SELECT count(*) FROM load_run") == [(0,)]


def test_what_is_not_there_is_said_with_the_way_out(tmp_path: Path) -> None:
    found = project(tmp_path, "singer")
    with pytest.raises(ConfigError, match="no program 'tap-desk'") as caught:
        found.run(end=FIRST)
    assert "cxflow bridge install PACKAGE==VERSION --as tap-desk" in str(caught.value)
    programs.write(tmp_path, "tap-desk", {"streams": [{"tap_stream_id": "calls"}]}, [])
    with pytest.raises(ConfigError, match=r"has no stream 'tickets' \(it has calls\)"):
        found.run(end=FIRST)
    programs.write(tmp_path, "tap-desk", "no catalogue at all", [])
    with pytest.raises(SourceError, match="has no catalogue"):
        found.run(end=FIRST)


def test_the_doctor_knows_the_columns_of_the_catalogue(tmp_path: Path) -> None:
    programs.write(tmp_path, "tap-desk", programs.SINGER, [])
    found = project(tmp_path, "singer")
    sources.doctor(found.settings, "desk", "tickets")
    programs.write(
        tmp_path,
        "tap-desk",
        {"streams": [{"tap_stream_id": "tickets", "schema": {"properties": {"id": {}, "mail": {}}}}]},
        [],
    )
    with pytest.raises(ConfigError, match="'email', which does not exist; did you mean 'mail'"):
        sources.doctor(found.settings, "desk", "tickets")


def test_what_a_program_writes_to_stderr_is_masked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    programs.write(
        tmp_path, "tap-desk", programs.SINGER, [programs.singer(1)], stderr=["asked with a-key-of-the-desk"]
    )
    with caplog.at_level(logging.DEBUG, "cxflow_bridge"):
        project(tmp_path, "singer").run(end=FIRST)
    assert "asked with ***" in caplog.text
    assert "a-key-of-the-desk" not in caplog.text
