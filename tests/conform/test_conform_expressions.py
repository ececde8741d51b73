"""Expressions that fail on some record refuse that record; mappings that cannot work are named before anything
is read."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from trip_bench import Bench

from cxflow import flow, record_sql
from cxflow.conform.projection import check, connect
from cxflow.errors import ConfigError
from cxflow.model.stream import Stream

AT = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"
CASE = {"case_id": "id", "opened_at": AT}


def stream(to: dict[str, Any], **declared: Any) -> dict[str, Any]:
    return {"primary_key": ["id"], "to": to, **declared}


def refused_of(conform: Any, declaration: dict[str, Any], records: list[dict[str, Any]]) -> list[Any]:
    with conform(declaration, records) as scratch:
        rows = scratch.column("SELECT _row FROM record ORDER BY _row")
        assert rows == list(range(1, len(records) + 1)), "every raw row is kept"
        return [(row, rule, column) for row, rule, column, _ in scratch.refused]


@pytest.mark.parametrize(
    ("expression", "bad"),
    [
        ("strptime(x, '%Y')", "May"),
        ("CAST(x AS INTEGER)::VARCHAR", "three"),
        ("json_extract_string(x::JSON, '$.a')", "{"),
        ("CAST(x AS VARCHAR[])[1]", "no list"),
        ("repeat('a', x::INTEGER)", "many"),
    ],
)
def test_an_expression_that_fails_on_a_record_refuses_just_that_record(
    conform: Any, expression: str, bad: str
) -> None:
    good = {"strptime(x, '%Y')": "2026", "json_extract_string(x::JSON, '$.a')": '{"a": 1}'}.get(
        expression, "7"
    )
    if "VARCHAR[]" in expression:
        good = "[7]"
    declaration = stream({"support_case": {**CASE, "reason": expression}})
    records = [{"id": 1, "x": good}, {"id": 2, "x": bad}, {"id": 3, "x": None}]
    assert refused_of(conform, declaration, records) == [(2, "expression", "support_case.reason")]


def test_a_division_by_zero_is_no_number_and_a_list_index_beyond_the_end_is_nothing(conform: Any) -> None:
    to = {"interaction": {"interaction_id": "id", "offered_at": AT, "wait_seconds": "10 / n::INTEGER"}}
    assert refused_of(conform, stream(to), [{"id": 1, "n": 5}, {"id": 2, "n": 0}]) == [
        (2, "cast", "interaction.wait_seconds")
    ]
    with conform(stream({"support_case": {**CASE, "reason": "l[3]"}}), [{"id": 1, "l": ["a"]}]) as scratch:
        assert scratch.refused == []
        assert scratch.column("SELECT reason FROM support_case") == [None]


def test_a_condition_that_fails_on_a_record_refuses_just_that_record(conform: Any) -> None:
    to = {"support_case": {**CASE, "where": "strptime(x, '%Y-%m-%d') > TIMESTAMP '2026-01-01'"}}
    records = [{"id": 1, "x": "2026-03-01"}, {"id": 2, "x": "odd"}, {"id": 3, "x": "2025-01-01"}, {"id": 4}]
    with conform(stream(to), records) as scratch:
        assert scratch.refused == [(2, "expression", "support_case.where", None)]
        assert scratch.column("SELECT case_id FROM support_case") == ["shop:1"]


def test_a_condition_of_text_that_is_no_boolean_refuses_just_that_record(conform: Any) -> None:
    to = {"support_case": {**CASE, "where": "x"}}
    records = [{"id": 1, "x": "true"}, {"id": 2, "x": "perhaps"}, {"id": 3, "x": "false"}, {"id": 4}]
    with conform(stream(to), records) as scratch:
        assert scratch.refused == [(2, "expression", "support_case.where", None)]
        assert scratch.column("SELECT case_id FROM support_case") == ["shop:1"]


def test_a_list_that_fails_on_a_record_refuses_just_that_record(conform: Any) -> None:
    to = {
        "refund": {
            "for_each": "CAST(x AS VARCHAR[])",
            "refund_id": "id || '-' || item_no",
            "order_id": "item",
            "refunded_at": AT,
        }
    }
    records = [{"id": 1, "x": "[a, b]"}, {"id": 2, "x": "odd"}, {"id": 3, "x": None}, {"id": 4, "x": "[]"}]
    with conform(stream(to), records) as scratch:
        assert scratch.refused == [(2, "expression", "refund.for_each", None)]
        assert scratch.column("SELECT refund_id FROM refund ORDER BY ALL") == ["shop:1-1", "shop:1-2"]


def test_an_item_that_fails_refuses_its_record_once(conform: Any) -> None:
    to = {
        "refund": {
            "for_each": "l",
            "where": "item <> 'skip'",
            "refund_id": "id || '-' || item_no",
            "order_id": "CAST(item AS INTEGER)",
            "refunded_at": AT,
        }
    }
    records = [{"id": 1, "l": ["5", "skip"]}, {"id": 2, "l": ["x", "6", "y"]}, {"id": 3, "l": []}]
    with conform(stream(to), records) as scratch:
        assert scratch.refused == [(2, "expression", "refund.order_id", None)]
        assert scratch.rows("SELECT refund_id, order_id FROM refund WHERE _row = 1") == [
            ("shop:1-1", "shop:5")
        ]


def test_keys_versions_deletions_and_identifiers_that_fail_refuse_just_their_record(conform: Any) -> None:
    declaration = stream(
        {"support_case": CASE},
        primary_key=["id::INTEGER"],
        version="strptime(v, '%Y')::TIMESTAMPTZ",
        deleted="strptime(d, '%Y') < TIMESTAMP '2020-01-01'",
        identifiers={"contact": "CAST(c AS INTEGER)"},
    )
    good = {"id": "1", "v": "2026", "d": "2026", "c": "7"}
    bad = [{**good, "id": "one"}, {**good, "id": "2", "v": "x"}]
    bad += [{**good, "id": "3", "d": "x"}, {**good, "id": "4", "c": "x"}]
    assert refused_of(conform, declaration, [good, *bad]) == [
        (2, "expression", "record.primary_key_1"),
        (2, "required", "primary_key"),
        (3, "expression", "record.version"),
        (4, "expression", "record.deleted"),
        (5, "expression", "record.identifiers.contact"),
    ]


def test_a_version_or_deletion_that_does_not_fit_is_refused_with_its_raw_value(conform: Any) -> None:
    declaration = stream({"support_case": CASE}, version="v", deleted="d")
    records = [{"id": 1, "v": "2026-03-01T00:00:00Z", "d": "no"}, {"id": 2, "v": "later", "d": "gone"}]
    with conform(declaration, records) as scratch:
        assert scratch.refused == [(2, "cast", "deleted", "gone"), (2, "cast", "version", "later")]


def test_a_failing_expression_that_cannot_be_caught_stops_with_its_place_and_without_a_value(
    conform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_sql, "check", record_sql.parse)
    to = {"support_case": {**CASE, "reason": "CAST(x AS INTEGER) + random()"}}
    with (
        pytest.raises(ConfigError, match=r"support_case.*volatile") as caught,
        conform(stream(to), [{"id": 1, "x": "canary"}]),
    ):
        pass
    assert "canary" not in str(caught.value)


FAULTS = {
    "an unknown table": ({"suport_case": CASE}, "did you mean 'support_case'"),
    "an unknown column": ({"support_case": {**CASE, "openedat": "id"}}, "did you mean 'opened_at'"),
    "one that cxflow fills": ({"support_case": {**CASE, "customer_id": "id"}}, "no column 'customer_id'"),
    "no SQL": ({"support_case": {**CASE, "reason": "CASE WHEN"}}, "support_case.reason: .* does not parse"),
    "no SQL in where": ({"support_case": {**CASE, "where": "id ="}}, "support_case.where: .* does not parse"),
    "a column named by a word of SQL": (
        {"support_case": {**CASE, "reason": "desc"}},
        "support_case.reason: 'desc' is a SQL keyword",
    ),
    "a required column left out": ({"support_case": {"case_id": "id"}}, "requires the column 'opened_at'"),
    "a key left out": ({"support_case": {"opened_at": AT}}, "requires the column 'case_id'"),
    "nothing mapped": (
        {"touchpoint": {"where": "true"}},
        "requires the columns 'activity', 'channel', 'occurred_at', which are not mapped",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mapping_that_cannot_work_is_named_before_anything_is_read(fault: str) -> None:
    to, says = FAULTS[fault]
    with pytest.raises(ConfigError, match=says):
        check(Stream.model_validate(stream(to)))


BOUND = {
    "a raw column that is not there": (
        {"reason": "reasn"},
        "names the raw column 'reasn'.*did you mean 'reason'",
    ),
    "its place": (
        {"reason": "lower(\n  reasn\n)"},
        r"(?s)'lower\( …' names the raw column 'reasn'.*\nline 2, column 3:\n    reasn\n    \^\nfix: raw columns",
    ),
    "the place of a condition": (
        {"where": "id > 0\n  AND uper(reason) = 'X'"},
        r"support_case\.where: 'id > 0 …' names the function uper\(\).*\nline 2, column 7:\n"
        r"    AND uper\(reason\) = 'X'\n        \^",
    ),
    "the place of a list": (
        {"for_each": "[reason, nothing]"},
        r"(?s)'nothing', which does not exist.*\nline 1, column 10:\n  \[reason, nothing\]\n           \^",
    ),
    "an inner one": ({"reason": "via.chanel"}, "names the raw column 'chanel'.*did you mean 'via.channel'"),
    "a function": ({"reason": "uper(reason)"}, "support_case.reason.*uper.*upper"),
    "a type": ({"reason": "reason::VARCHR"}, "support_case.reason.*type VARCHR, .*did you mean 'varchar'"),
    "an aggregate": ({"reason": "max(reason)"}, "support_case.reason.*aggregates"),
    "a window function": ({"reason": "lag(reason) OVER ()"}, "support_case.reason.*window"),
    "several rows": ({"reason": "unnest([reason])"}, "support_case.reason.*UNNEST"),
    "no list": ({"for_each": "reason"}, "support_case.for_each.*not a list but VARCHAR"),
}


@pytest.mark.parametrize("fault", BOUND)
def test_a_mapping_that_does_not_fit_the_raw_columns_is_named_with_the_nearest(
    conform: Any, fault: str
) -> None:
    columns, says = BOUND[fault]
    record = {"id": 1, "reason": "late", "via": {"channel": "web"}}
    with (
        pytest.raises(ConfigError, match=says),
        conform(stream({"support_case": {**CASE, **columns}}), [record]),
    ):
        pass


def test_a_personal_column_that_is_not_there_is_named_with_the_nearest(conform: Any) -> None:
    declaration = stream({"support_case": CASE}, pii=["emial"])
    with (
        pytest.raises(ConfigError, match=r"pii names the raw column 'emial'.*did you mean 'email'"),
        conform(declaration, [{"id": "1", "email": "x"}], as_columns=True),
    ):
        pass
    with conform(
        {**declaration, "may_lack": ["emial"]}, [{"id": "1", "email": "x"}], as_columns=True
    ) as scratch:
        assert scratch.refused == []


def test_a_header_that_was_not_cut_into_columns_is_told_with_what_separates_them(conform: Any) -> None:
    record = {"id;opened;reason": "1;2024-05-01;late, very"}
    with (
        pytest.raises(
            ConfigError,
            match=r"(?s)the raw column 'id', which does not exist.*does the stream need delimiter = \";\"\?",
        ),
        conform({"primary_key": ["id"], "to": {"support_case": CASE}}, [record], as_columns=True),
    ):
        pass


def test_a_fault_says_its_connection_and_stream(tmp_path: Any) -> None:
    bench = Bench(tmp_path / "project", {"things": stream({"support_case": {**CASE, "reason": "reasn"}})})
    batch = bench.land([{"id": 1, "reason": "late"}])
    with pytest.raises(ConfigError, match=r"^shop\.things: support_case\.reason"):
        flow.prepare(bench.settings, batch)


def test_an_expression_over_other_records_is_refused_before_anything_is_read() -> None:
    to = {"support_case": {**CASE, "reason": "lead(x) OVER (ORDER BY id)"}}
    with pytest.raises(ConfigError, match=r"support_case\.reason: .*uses a window function"):
        check(Stream.model_validate(stream(to)))


PLACES: dict[str, dict[str, Any]] = {
    "support_case.reason": {"to": {"support_case": {**CASE, "reason": "now()"}}},
    "support_case.where": {"to": {"support_case": {**CASE, "where": "now() > x"}}},
    "support_case.for_each": {"to": {"support_case": {**CASE, "for_each": "[now()]"}}},
    "primary_key_2": {"primary_key": ["id", "now()"]},
    "version": {"version": "now()"},
    "deleted": {"deleted": "now() > x"},
    "identifiers.phone": {"identifiers": {"phone": "now()"}},
}


@pytest.mark.parametrize("place", PLACES)
def test_the_clock_is_refused_wherever_an_expression_stands(place: str) -> None:
    declaration = {**stream({"support_case": CASE}), **PLACES[place]}
    with pytest.raises(ConfigError, match=rf"(?s)^{place}: .*calls now\(\).*raw column or a constant"):
        check(Stream.model_validate(declaration))


def test_a_raw_column_with_the_name_of_a_clock_is_read_as_a_column(conform: Any) -> None:
    to = {"support_case": {**CASE, "reason": '"current_date"', "priority": "user"}}
    with conform(stream(to), [{"id": 1, "current_date": "monday", "user": "ada"}]) as scratch:
        assert scratch.rows("SELECT reason, priority FROM support_case") == [("monday", "ada")]
    for name in ('"current_date"', "user"):
        to = {"support_case": {**CASE, "reason": name}}
        with (
            pytest.raises(
                ConfigError, match=rf"names the raw column {name.strip(chr(34))!r}, which does not exist"
            ),
            conform(stream(to), [{"id": 1}]),
        ):
            pass


REACHES = {
    "a file": "(SELECT content FROM read_text('{secret}'))",
    "a list of files": "(SELECT file FROM glob('{secret}.c*'))",
    "a file as a table": "(SELECT a FROM '{secret}.csv')",
    "a statement in a text": "(FROM query('SELECT content FROM read_text(''{secret}'')'))",
}


@pytest.mark.parametrize("what", REACHES)
def test_an_expression_that_gets_past_the_check_still_reads_no_file(
    conform: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, what: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    (tmp_path / "secret.csv").write_text("a\ncanary\n")
    expression = REACHES[what].format(secret=secret)
    with duckdb.connect() as database:
        assert database.execute(f"SELECT {expression}").fetchone(), "DuckDB itself would read it"
    monkeypatch.setattr(record_sql, "check", record_sql.parse)
    with (
        pytest.raises((ConfigError, duckdb.PermissionException), match="disabled by configuration") as caught,
        conform(stream({"support_case": {**CASE, "reason": expression}}), [{"id": 1}]),
    ):
        pass
    assert "canary" not in str(caught.value)


def test_a_sealed_scratch_file_still_spills_to_disk(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXFLOW_MEMORY_LIMIT", "100MB")
    with connect(tmp_path / "scratch.duckdb", []) as database:
        texts = "SELECT repeat(md5(i::VARCHAR), 16) AS text FROM range(300_000) r(i)"  # 154 MB
        database.execute(f"CREATE TEMP TABLE a AS {texts}")
        (spilled,) = database.execute("SELECT sum(size) FROM duckdb_temporary_files()").fetchone() or (0,)
        assert spilled > 10_000_000
        assert database.execute("SELECT count(*), min(length(text)) FROM a").fetchone() == (300_000, 512)


def test_a_batch_is_read_from_a_folder_of_any_name(tmp_path: Any) -> None:
    declared = stream({"support_case": {**CASE, "reason": "text"}})
    bench = Bench(tmp_path / "it's [1]*", {"things": declared})
    report = bench.load([{"id": "1", "text": "late"}, {"id": "2", "text": "early"}], malformed=["{"])
    assert (report.counts.inserted, report.counts.quarantined) == (2, 1)
