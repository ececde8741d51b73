"""Every canonical rule, with a passing and a failing row, and a stream's own expectations."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from trip_bench import Record, conformed

from cxflow import record_sql
from cxflow.errors import ConfigError, FatalError
from cxflow.landing.prepared import Verdict
from cxflow.model.stream import Stream
from cxflow.settings import Quality, Settings, load
from cxflow.validate import gate, runner, suites
from cxflow.warehouse import tables

Judged = tuple[Verdict, dict[str, set[str]], dict[str, int]]
"""The verdict, `table.rule` by record, and how many rows of each table are to load."""


def judge(folder: Path, declaration: dict[str, Any], records: list[Record], quality: str = "") -> Judged:
    (folder / "cxflow.toml").write_text(
        f'quality = {{ {quality} }}\nconnections = {{ shop = {{ connector = "files" }} }}\n'
    )
    settings = load(folder)
    stream = Stream.model_validate({"name": "things", **declaration})
    with conformed(settings, folder, declaration, records) as scratch:
        path = scratch.conformed
        scratch.database.close()
        with runner.opened(path.database) as database:
            verdict = gate.validate(settings, stream, path, database)
    return verdict, *_outcome(path)


def _outcome(made: Any) -> tuple[dict[str, set[str]], dict[str, int]]:
    with duckdb.connect(str(made.database), read_only=True) as database:
        broken: dict[str, set[str]] = {}
        for record, table, rule in database.execute(
            "SELECT a.record_id, f.column_name, f.rule FROM refused f JOIN record a USING (_row)"
        ).fetchall():
            broken.setdefault(record, set()).add(f"{table.split('.')[0]}.{rule}")
        left = {}
        for name in made.tables:
            row = database.execute(f"SELECT count(*) FROM {name} ANTI JOIN left_out USING (_row)").fetchone()
            left[name] = row[0] if row else 0
    return broken, left


def mapped(table: str) -> dict[str, str]:
    """Each column from the raw column of its name, within an object called like the table."""
    return {
        name: f"{table}.{name}"
        for name in tables.mappable(tables.CANONICAL[table])
        if name not in ("touchpoint_id", "received_at")
    }


GOOD: dict[str, dict[str, Any]] = {
    "touchpoint": {
        "activity": "called_support",
        "channel": "phone",
        "occurred_at": "2026-03-01T10:00:00Z",
        "ended_at": "2026-03-01T10:05:00Z",
        "direction": "inbound",
        "journey_stage": "after",
        "control": "owned",
        "currency_code": "EUR",
    },
    "survey_response": {
        "question_id": "q",
        "metric_type": "nps",
        "rating_value": 10,
        "responded_at": "2026-03-01T12:00:00Z",
        "invited_at": "2026-03-01T12:00:00Z",
    },
    "review": {"rating_value": 5, "date_published": "2026-03-01T12:00:00Z"},
    "interaction": {
        "offered_at": "2026-03-01T10:00:00Z",
        "answered_at": "2026-03-01T10:00:20Z",
        "abandoned_at": None,
        "ended_at": "2026-03-01T10:05:00Z",
        "wait_seconds": 20,
        "talk_seconds": 200,
        "hold_seconds": 140,  # of 280 s between answer and end, and a minute's slack
    },
    "support_case": {"opened_at": "1990-01-01T00:00:00Z", "first_reply_at": "2026-03-01T10:00:00Z"},
    "order_header": {
        "created_at": "2026-03-01T10:00:00Z",
        "promised_at": "2026-06-01T00:00:00Z",
        "delivered_at": "2026-03-02T10:00:00Z",
        "currency_code": "XOF",
    },
}

BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "touchpoint.time_plausible": ("touchpoint", {"occurred_at": "1989-12-31T23:59:59Z"}),
    "touchpoint.time_not_in_future": ("touchpoint", {"ended_at": "2026-03-03T06:00:01Z"}),
    "touchpoint.end_not_before_start": ("touchpoint", {"ended_at": "2026-03-01T09:59:59Z"}),
    "touchpoint.currency_known": ("touchpoint", {"currency_code": "EURO"}),
    "touchpoint.activity_named": ("touchpoint", {"activity": "Call"}),
    "touchpoint.direction_known": ("touchpoint", {"direction": "in"}),
    "touchpoint.journey_stage_known": ("touchpoint", {"journey_stage": "later"}),
    "touchpoint.control_known": ("touchpoint", {"control": "brand"}),
    "survey_response.rating_within_scale": ("survey_response", {"rating_value": 11}),
    "survey_response.nps_answer_whole": ("survey_response", {"rating_value": 8.5}),
    "survey_response.end_not_before_start": ("survey_response", {"invited_at": "2026-03-01T12:00:01Z"}),
    "survey_response.time_plausible": ("survey_response", {"invited_at": "1970-01-01T00:00:00Z"}),
    "survey_response.time_not_in_future": ("survey_response", {"responded_at": "2026-03-04T00:00:00Z"}),
    "review.rating_within_scale": ("review", {"rating_value": 0}),
    "review.time_plausible": ("review", {"date_published": "1970-01-01T00:00:00Z"}),
    "review.time_not_in_future": ("review", {"date_published": "2027-01-01T00:00:00Z"}),
    "interaction.duration_not_negative": ("interaction", {"hold_seconds": -0.5}),
    "interaction.end_not_before_start": ("interaction", {"answered_at": "2026-03-01T10:05:01Z"}),
    "interaction.time_plausible": ("interaction", {"offered_at": "1980-01-01T00:00:00Z"}),
    "interaction.time_not_in_future": ("interaction", {"ended_at": "2026-03-04T00:00:00Z"}),
    "interaction.wait_fits_its_times": ("interaction", {"wait_seconds": 20_000}),  # milliseconds
    "interaction.talk_fits_its_times": ("interaction", {"talk_seconds": 200, "hold_seconds": 141}),
    "interaction.answered_or_abandoned": ("interaction", {"abandoned_at": "2026-03-01T10:00:20Z"}),
    "order_header.price_total_not_negative": ("order_header", {"price_total": -0.01}),
    "support_case.end_not_before_start": ("support_case", {"first_reply_at": "1990-01-01T00:00:00Z"}),
    "support_case.time_plausible": ("support_case", {"opened_at": "1989-12-31T23:00:00Z"}),
    "support_case.time_not_in_future": ("support_case", {"first_reply_at": "2027-01-01T00:00:00Z"}),
    "order_header.currency_known": ("order_header", {"currency_code": "eur"}),
    "order_header.time_plausible": ("order_header", {"promised_at": "1970-01-01T00:00:00Z"}),
    "order_header.time_not_in_future": ("order_header", {"delivered_at": "2026-03-04T00:00:00Z"}),
    "order_header.end_not_before_start": ("order_header", {"delivered_at": "2026-02-28T00:00:00Z"}),
    "touchpoint.text_without_nul": ("touchpoint", {"reason": "late\x00"}),
    "survey_response.text_without_nul": ("survey_response", {"question_id": "q\x001"}),
    "review.text_without_nul": ("review", {"review_body": "\x00"}),
    "interaction.text_without_nul": ("interaction", {"outcome": "sold\x00"}),
    "support_case.text_without_nul": ("support_case", {"reason": "\x00\x00"}),
    "order_header.text_without_nul": ("order_header", {"status": "placed\x00"}),
}
"""`table.rule` to the record that breaks it: a table, and what differs from the good one."""

ALSO: dict[str, dict[str, Any]] = {
    "support_case.end_not_before_start": {"opened_at": "1990-01-01T00:00:01Z"},
    "interaction.end_not_before_start": {"wait_seconds": 301, "talk_seconds": 0, "hold_seconds": None},
    "interaction.time_plausible": {"wait_seconds": None},
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    records: list[Record] = [{"id": "good", **GOOD}]
    slow = {**GOOD["interaction"], "wait_seconds": -1}
    # More than a page of anything that lists what is unexpected.
    records += [{"id": f"slow-{number}", **GOOD, "interaction": slow} for number in range(300)]
    for rule, (table, change) in BAD.items():
        records.append({"id": rule, **GOOD, table: {**GOOD[table], **change, **ALSO.get(rule, {})}})
    keys = {"survey_response": "response_id", "review": "review_id", "interaction": "interaction_id"}
    keys |= {"support_case": "case_id", "order_header": "order_id"}
    to = {}
    for table in GOOD:
        to[table] = {name: sql for name, sql in mapped(table).items() if name in _raw_names(records, table)}
        if table in keys:
            to[table][keys[table]] = "id"
    declaration = {"primary_key": ["id"], "to": to}
    return judge(tmp_path_factory.mktemp("rules"), declaration, records, "max_rejected_share = 1.0")


def _raw_names(records: list[Record], table: str) -> set[str]:
    return {name for record in records for name in record[table]}


def test_every_rule_of_these_tables_has_a_failing_row() -> None:
    named = {
        f"{table}.{expectation.rule}"
        for table in GOOD
        for expectation in suites.of_table(Quality(), tables.CANONICAL[table])
    }
    assert named == set(BAD)


def test_every_rule_name_occurs_in_some_table_that_is_tested() -> None:
    everywhere = {
        expectation.rule
        for table in tables.CANONICAL.values()
        for expectation in suites.of_table(Quality(), table)
    }
    assert everywhere == {name.partition(".")[2] for name in BAD}


def test_a_good_row_passes_every_rule(judged: Judged) -> None:
    verdict, broken, left = judged
    assert "good" not in broken
    assert left == dict.fromkeys(GOOD, 1)
    assert verdict.passed


@pytest.mark.parametrize("rule", BAD)
def test_a_row_that_breaks_one_rule_is_refused_by_that_rule_alone(judged: Judged, rule: str) -> None:
    assert judged[1][rule] == {rule}


def test_rules_are_counted_in_records(judged: Judged) -> None:
    verdict, broken, _ = judged
    assert verdict.extracted == 301 + len(BAD)
    assert verdict.refused == len(broken) == 300 + len(BAD)
    assert verdict.deduplicated == 0
    expected: dict[str, int] = {"duration_not_negative": 300}
    for rule in BAD:
        name = rule.partition(".")[2]
        expected[name] = expected.get(name, 0) + 1
    assert verdict.rules == expected


CASES = {
    "primary_key": ["id"],
    "to": {
        "support_case": {
            "case_id": "id",
            "opened_at": "TIMESTAMPTZ '2026-03-01 10:00:00Z'",
            "reason": "reason",
            "reopens": "reopens",
        }
    },
}
CANARY = "canary.person@example.org"


def expecting(*expectations: dict[str, Any], **declared: Any) -> dict[str, Any]:
    return {**CASES, **declared, "expect": [{"table": "support_case", **item} for item in expectations]}


def case(number: int, reason: str | None = "late", reopens: int | None = 0) -> Record:
    return {"id": number, "reason": reason, "reopens": reopens}


def test_a_streams_own_condition_refuses_rows_for_which_it_is_false_and_null_passes(tmp_path: Path) -> None:
    declaration = expecting(
        {"rule": "not_reopened", "sql": "reopens < 3"},
        # Columns of the record (k) and braces are no trouble.
        {"rule": "on_time", "sql": "t.opened_at <= k.received_at AND {'a': reopens}.a <> 7"},
        {"rule": "not_deleted", "sql": "NOT k.is_deleted AND k.version_at IS NULL"},
    )
    records = [case(1), case(2, reopens=3), case(3, reopens=None), case(4, reopens=7)]
    verdict, broken, _ = judge(tmp_path, declaration, records)
    assert broken == {
        "2": {"support_case.not_reopened"},
        "4": {"support_case.not_reopened", "support_case.on_time"},
    }
    assert verdict.rules == {"not_reopened": 2, "on_time": 1}
    assert verdict.passed


def test_a_condition_may_name_a_column_that_the_record_has_too(tmp_path: Path) -> None:
    touch = {
        "activity": "'called_support'",
        "channel": "'phone'",
        "occurred_at": "seen",
        "received_at": "learnt",
    }
    declaration = {
        "primary_key": ["id"],
        "to": {"touchpoint": touch},
        "expect": [{"table": "touchpoint", "rule": "learnt_later", "sql": "received_at >= occurred_at"}],
    }
    seen = "2026-03-01T10:00:00Z"
    records = [
        {"id": 1, "seen": seen, "learnt": seen},
        {"id": 2, "seen": seen, "learnt": "2026-03-01T09:00:00Z"},
    ]
    assert judge(tmp_path, declaration, records)[1] == {"2": {"touchpoint.learnt_later"}}


def test_great_expectations_types_refuse_the_rows_that_break_them(tmp_path: Path) -> None:
    declaration = expecting(
        {
            "rule": "reason_known",
            "type": "expect_column_values_to_be_in_set",
            "with": {"column": "reason", "value_set": ["late", "lost"]},
        },
        {
            "rule": "reopens_few",
            "type": "expect_column_values_to_be_between",
            "with": {"column": "reopens", "max_value": 2},
        },
        {"rule": "reason_there", "type": "expect_column_values_to_not_be_null", "with": {"column": "reason"}},
    )
    records = [case(1), case(2, reason="odd's"), case(3, reopens=9), case(4, reason=None)]
    verdict, broken, left = judge(tmp_path, declaration, records)
    assert broken == {
        "2": {"support_case.reason_known"},
        "3": {"support_case.reopens_few"},
        "4": {"support_case.reason_there"},
    }
    assert left == {"support_case": 1}
    assert verdict.passed


def test_a_table_level_expectation_closes_the_gate_and_refuses_nobody(tmp_path: Path) -> None:
    declaration = expecting(
        {
            "rule": "enough",
            "level": "table",
            "type": "expect_table_row_count_to_be_between",
            "with": {"min_value": 3},
        }
    )
    verdict, broken, _ = judge(tmp_path, declaration, [case(1), case(2)])
    assert not verdict.passed
    assert verdict.why == "the table-level expectation 'enough' on support_case failed"
    assert broken == {}
    assert judge(tmp_path, declaration, [case(1), case(2), case(3)])[0].passed


def test_a_type_that_speaks_of_the_table_must_say_so(tmp_path: Path) -> None:
    declaration = expecting(
        {"rule": "enough", "type": "expect_table_row_count_to_be_between", "with": {"min_value": 3}}
    )
    with pytest.raises(ConfigError, match="'enough' is about a whole table"):
        judge(tmp_path, declaration, [case(1)])


@pytest.mark.parametrize(
    ("expectation", "says"),
    [
        ({"rule": "odd", "sql": "no_such_column > 3"}, "no_such_column"),
        (
            {"rule": "odd", "sql": "reason <> ''\n  AND no_such > 3"},
            r'"no_such" not found in FROM clause!\nline 2, column 7:\n    AND no_such > 3\n        \^$',
        ),
        ({"rule": "odd", "sql": "CAST(reason AS INTEGER) > 3"}, "cannot be evaluated"),
        (
            {
                "rule": "odd",
                "type": "expect_column_values_to_not_be_null",
                "with": {"column": "no_such_column"},
            },
            "no_such_column",
        ),
    ],
)
def test_an_expectation_that_crashes_is_fatal_never_a_pass_and_tells_no_value(
    tmp_path: Path, expectation: dict[str, Any], says: str
) -> None:
    with pytest.raises(FatalError, match=says) as caught:
        judge(tmp_path, expecting(expectation), [case(1, reason=CANARY)])
    assert CANARY not in str(caught.value)
    assert "'odd' on support_case" in str(caught.value)


def test_times_in_the_wrong_order_are_both_named(tmp_path: Path) -> None:
    columns = {name: f"interaction.{name}" for name in GOOD["interaction"]}
    to = {"interaction": {"interaction_id": "id", **columns}}
    times = {
        "early answer": {"answered_at": "2026-03-01T09:00:00Z"},
        "early end": {"answered_at": None, "ended_at": "2026-03-01T09:00:00Z"},
        "both": {"ended_at": "2026-03-01T09:00:00Z"},
        "fine": {},
    }
    records = [
        {"id": name, "interaction": {**GOOD["interaction"], **changed}} for name, changed in times.items()
    ]
    (tmp_path / "cxflow.toml").write_text('[connections.shop]\nconnector = "files"\n')
    settings = load(tmp_path)
    declaration: dict[str, Any] = {"primary_key": ["id"], "to": to}
    stream = Stream.model_validate({"name": "things", **declaration})
    with conformed(settings, tmp_path, declaration, records) as scratch:
        scratch.database.close()
        with runner.opened(scratch.conformed.database) as opened:
            verdict = gate.validate(settings, stream, scratch.conformed, opened)
        with duckdb.connect(str(scratch.conformed.database), read_only=True) as database:
            rows = database.execute(
                "SELECT record_id, column_name FROM refused JOIN record USING (_row) "
                f"WHERE rule = '{suites.IN_ORDER}' ORDER BY ALL"
            ).fetchall()
            reasons = gate.reasons(database)
    offered, answered = "interaction.offered_at", "interaction.answered_at"
    assert rows == [
        ("both", f"{answered}, interaction.ended_at"),
        ("both", f"{offered}, interaction.ended_at"),
        ("early answer", f"{offered}, {answered}"),
        ("early end", f"{offered}, interaction.ended_at"),
    ]
    assert verdict.rules["end_not_before_start"] == 3
    assert reasons[f"end_not_before_start of {offered}, interaction.ended_at"] == 2


def check(*expectations: dict[str, Any]) -> None:
    gate.check(Stream.model_validate({"name": "things", **expecting(*expectations)}))


def test_faults_in_a_declaration_are_named_before_anything_is_read() -> None:
    between = {"rule": "few", "type": "expect_column_values_to_be_between"}
    with pytest.raises(
        ConfigError, match=r"no 'expect_column_values_to_be_betwen'.*'expect_column_values_to_be_between'"
    ):
        check({**between, "type": "expect_column_values_to_be_betwen"})
    with pytest.raises(ConfigError, match=r"'few' has arguments that .* does not accept.*colum"):
        check({**between, "with": {"colum": "reopens"}})
    with pytest.raises(ConfigError, match=r"about 'suport_case', .*did you mean 'support_case'"):
        check({"table": "suport_case", "rule": "few", "sql": "true"})
    with pytest.raises(ConfigError, match="two expectations 'few' on support_case"):
        check({"rule": "few", "sql": "true"}, {"rule": "few", "sql": "true"})
    with pytest.raises(ConfigError, match="two expectations 'time_plausible' on support_case"):
        check({"rule": "time_plausible", "sql": "true"})


def test_nothing_that_validation_says_holds_a_raw_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    declaration = expecting(
        {"rule": "short", "sql": "len(reason) < 10"},
        {
            "rule": "known",
            "type": "expect_column_values_to_be_in_set",
            "with": {"column": "reason", "value_set": ["late"]},
        },
        {
            "rule": "all_known",
            "level": "table",
            "type": "expect_column_distinct_values_to_be_in_set",
            "with": {"column": "reason", "value_set": ["late"]},
        },
    )
    verdict, broken, _ = judge(tmp_path, declaration, [case(1, reason=CANARY), case(2)])
    assert broken == {"1": {"support_case.short", "support_case.known"}}
    said = json.dumps([verdict.why, verdict.rules, verdict.report, verdict.raw_columns])
    printed = capfd.readouterr()
    assert CANARY not in said + caplog.text + printed.out + printed.err


@pytest.mark.parametrize(
    ("bad", "good", "quality", "passes"),
    [
        (5, 1, "", True),  # judged as if there were a hundred
        (6, 1, "", False),
        (2, 8, "min_records = 10, max_rejected_share = 0.2", True),
        (3, 7, "min_records = 10, max_rejected_share = 0.2", False),
        (1, 4, "min_records = 0, max_rejected_share = 0.2", True),
        (1, 3, "min_records = 0, max_rejected_share = 0.2", False),
    ],
)
def test_the_gate_closes_above_the_share_of_a_batch_of_at_least_so_many(
    bad: int, good: int, quality: str, passes: bool
) -> None:
    settings = Settings.model_validate(
        {"quality": dict(item.split(" = ") for item in quality.split(", ")) if quality else {}}
    )
    stream = Stream.model_validate({"name": "things", **CASES})
    why = gate._why(settings, stream, bad + good, bad, good, {"cast of case.opened_at": bad}, [])
    assert (why == "") is passes
    if why:
        assert f"{bad} of {bad + good} records were rejected" in why
        assert f"(cast of case.opened_at {bad})" in why


def test_a_batch_of_which_nothing_passes_is_stopped_however_small() -> None:
    stream = Stream.model_validate({"name": "things", **CASES})
    why = gate._why(Settings(), stream, 5, 5, 0, {"cast of case.opened_at": 5}, [])
    assert why == "none of 5 records passed (cast of case.opened_at 5)"
    assert not gate._why(Settings(), stream, 5, 0, 0, {}, []), "all of them older than what is loaded"
    everything = stream.model_copy(update={"max_rejected_share": 1.0})
    assert not gate._why(Settings(), everything, 5, 5, 0, {}, []), "somebody wants them all in quarantine"


def test_a_streams_own_share_goes_before_the_projects() -> None:
    stream = Stream.model_validate({"name": "things", **CASES, "max_rejected_share": 0})
    assert gate._why(Settings(), stream, 1000, 1, 999, {"cast": 1}, [])
    assert not gate._why(Settings(), stream, 1000, 0, 1000, {}, [])


def test_an_empty_batch_passes_without_a_word(tmp_path: Path) -> None:
    declaration = expecting({"rule": "few", "sql": "reopens < 3"})
    verdict, broken, left = judge(tmp_path, declaration, [])
    assert (verdict.passed, verdict.extracted, broken, left) == (True, 0, {}, {"support_case": 0})


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("case_id IN (SELECT content FROM read_text('/etc/hostname'))", "contains a query"),
        ("opened_at < now()", r"calls now\(\)"),
        ('opened_at < "current_timestamp"', "names the column 'current_timestamp', which does not exist"),
        ("case_id = user", "names the column 'user', which does not exist\nline 1, column 11:"),
        ("case_id <>", "does not parse"),
    ],
)
def test_a_condition_sees_only_its_row(sql: str, says: str) -> None:
    to = {"support_case": {"case_id": "id", "opened_at": "at"}}
    expect = [{"table": "support_case", "rule": "mine", "sql": sql}]
    declared = Stream.model_validate({"primary_key": ["id"], "to": to, "expect": expect})
    with pytest.raises(ConfigError, match=rf"expect\.mine: .*{says}"):
        gate.check(declared)


def test_a_condition_that_gets_past_the_check_still_reads_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.txt").write_text("canary")
    monkeypatch.setattr(record_sql, "check", record_sql.parse)
    to = {"support_case": {"case_id": "id", "opened_at": "t"}}
    sql = f"t.case_id <> (SELECT content FROM read_text('{tmp_path / 'secret.txt'}'))"
    expect = [{"table": "support_case", "rule": "mine", "sql": sql}]
    with pytest.raises(FatalError, match=r"cannot be evaluated.*disabled by configuration") as caught:
        judge(
            tmp_path,
            {"primary_key": ["id"], "to": to, "expect": expect},
            [{"id": 1, "t": "2026-03-01T10:00:00Z"}],
        )
    assert "canary" not in str(caught.value)


AMOUNTS = [
    {"id": "yen", "total": "555", "currency": "JPY"},
    {"id": "half a yen", "total": "5.50", "currency": "JPY"},
    {"id": "dinar", "total": "1.234", "currency": "KWD"},
    {"id": "tenth of a fil", "total": "1.2345", "currency": "KWD"},
    {"id": "cent", "total": "10.5000", "currency": "EUR"},
    {"id": "tenth of a cent", "total": "10.505", "currency": "EUR"},
    {"id": "nothing", "total": None, "currency": "JPY"},
]
ORDERS = {
    "primary_key": ["id"],
    "to": {
        "order_header": {
            "order_id": "id",
            "created_at": "'2026-03-01T10:00:00Z'",
            "price_total": "total",
            "currency_code": "currency",
        },
        "order_line": {
            "order_id": "id",
            "line_no": "'1'",
            "unit_price": "'0.0333'",
            "currency_code": "currency",
        },
    },
}


def test_amounts_that_their_currency_does_not_have_are_counted(tmp_path: Path) -> None:
    verdict, broken, left = judge(tmp_path, ORDERS, AMOUNTS)
    assert verdict.report["odd_amounts"] == {"order_header.price_total": 3}
    assert (verdict.refused, broken) == (0, {})
    assert left["order_header"] == len(AMOUNTS)


def test_amounts_that_their_currency_does_not_have_can_be_refused(tmp_path: Path) -> None:
    verdict, broken, _ = judge(tmp_path, ORDERS, AMOUNTS, 'minor_units = "refuse"')
    odd = ("half a yen", "tenth of a fil", "tenth of a cent")
    assert broken == {record: {"order_header.amount_fits_currency"} for record in odd}
    assert "odd_amounts" not in verdict.report


def test_amounts_can_be_taken_as_they_are(tmp_path: Path) -> None:
    verdict, broken, _ = judge(tmp_path, ORDERS, AMOUNTS, 'minor_units = "accept"')
    assert "odd_amounts" not in verdict.report
    assert broken == {}


AT_ELEVEN_UTC = """
import sys
from pathlib import Path
import duckdb
from cxflow.model.expectation import Expectation
from cxflow.validate import runner

path = Path(sys.argv[1])
with duckdb.connect(str(path)) as made:
    made.execute("CREATE TABLE t AS SELECT 1::BIGINT AS row_id, TIMESTAMPTZ '2026-01-01 23:00:00Z' AS x")
conditions = {"late": "hour(x) = 23", "early": "hour(x) < 5"}
rules = [Expectation(table="t", rule=rule, sql=sql) for rule, sql in conditions.items()]
with runner.opened(path):
    print([item.expectation.rule for item in runner.run(path, {"t": rules})])
"""


def test_conditions_read_times_in_utc_wherever_the_machine_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_ELEVEN_UTC, str(tmp_path / "scratch.duckdb")],
        env={**os.environ, "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "['early']"
