"""What a source does to its shape has the declared outcome, never a silent null."""

from __future__ import annotations

from typing import Any

import pytest

from cxflow.errors import SourceError

AT = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"


def stream(reason: str = "why", **policies: str) -> dict[str, Any]:
    to = {"support_case": {"case_id": "id", "opened_at": AT, "reason": reason}}
    return {"primary_key": ["id"], "to": to, "policies": policies}


KNOWN = {"id": "VARCHAR", "why": "VARCHAR"}
NEW = [
    {"id": 1, "why": "late", "mood": "bad"},
    {"id": 2, "why": "late", "mood": None},
    {"id": 3, "why": "late"},
]


def test_nothing_has_drifted_in_a_first_batch(conform: Any) -> None:
    with conform(stream(new_column="stop", missing_column="stop"), NEW) as scratch:
        assert scratch.refused == []
        assert scratch.conformed.report == {}
        assert set(scratch.conformed.raw_columns) == {"id", "why", "mood"}


def test_a_new_column_is_accepted_and_reported_by_default(conform: Any) -> None:
    with conform(stream(), NEW, known=KNOWN) as scratch:
        assert scratch.refused == []
        assert scratch.conformed.report == {"drift": {"new": ["mood"]}}
        assert "mood" in scratch.conformed.raw_columns


def test_a_new_column_may_stop_the_batch(conform: Any) -> None:
    with (
        pytest.raises(SourceError, match=r"the source changed: new: mood.*policies\.new_column"),
        conform(stream(new_column="stop"), NEW, known=KNOWN),
    ):
        pass


def test_a_new_column_may_quarantine_the_records_that_have_it_until_somebody_accepts_it(conform: Any) -> None:
    with conform(stream(new_column="quarantine"), NEW, known=KNOWN) as scratch:
        assert scratch.refused == [(1, "new_column", "mood", None)]
        assert scratch.conformed.raw_columns == KNOWN, "or the next batch would slip through"


@pytest.mark.parametrize(
    ("known", "record", "named"),
    [
        ({"lines": [{"a": "VARCHAR"}]}, {"lines": [{"a": 1}, {"a": 2, "b": 3}]}, "lines.b"),
        ({"l": [{"m": [{"a": "VARCHAR"}]}]}, {"l": [{"m": [{"a": 1, "b": 2}]}]}, "l.m.b"),
        ({"via": {"a": "VARCHAR"}}, {"via": {"a": 1, "b": {"c": 2}}}, "via.b"),
        ({}, {"No. of items": 3}, "No. of items"),
        ({"via": {"a": "VARCHAR"}}, {"via": {"a": 1, "b.c": 2}}, "via.b.c"),
    ],
)
def test_a_new_column_is_found_wherever_it_stands_and_whatever_its_name(
    conform: Any, known: dict[str, Any], record: dict[str, Any], named: str
) -> None:
    old = dict.fromkeys(known)
    records = [{"id": 1, "why": "late", **record}, {"id": 2, "why": "late", **old}]
    with conform(stream(new_column="quarantine"), records, known={**KNOWN, **known}) as scratch:
        assert scratch.refused == [(1, "new_column", named, None)]


GONE = [{"id": 1}, {"id": 2}]


def test_a_column_gone_from_a_csv_stops_by_default(conform: Any) -> None:
    with (
        pytest.raises(SourceError, match="the source changed: gone: why"),
        conform(stream(), [{"id": "1"}], known=KNOWN, as_columns=True),
    ):
        pass


def test_what_may_be_the_new_name_of_a_column_gone_is_said_beside_it(conform: Any) -> None:
    with (
        pytest.raises(SourceError, match="the source changed: gone: why; new: reason"),
        conform(stream(), [{"id": "1", "reason": "late"}], known=KNOWN, as_columns=True),
    ):
        pass


def test_a_column_gone_from_json_is_accepted_by_default_and_reads_as_null(conform: Any) -> None:
    with conform(stream(), GONE, known=KNOWN) as scratch:
        assert scratch.refused == []
        assert scratch.conformed.report == {"drift": {"missing": ["why"]}}
        assert scratch.column("SELECT reason FROM support_case") == [None, None]
        assert "why" in scratch.conformed.raw_columns


@pytest.mark.parametrize("as_columns", [True, False])
def test_a_column_that_may_be_absent_is_never_missed(conform: Any, as_columns: bool) -> None:
    declaration = {**stream(missing_column="stop"), "may_lack": ["why"]}
    with conform(declaration, [{"id": "1"}], known=KNOWN, as_columns=as_columns) as scratch:
        assert scratch.refused == []
        assert scratch.column("SELECT reason FROM support_case") == [None]


@pytest.mark.parametrize("as_columns", [True, False])
def test_a_column_gone_may_quarantine_the_batch(conform: Any, as_columns: bool) -> None:
    declaration = stream(missing_column="quarantine")
    with conform(declaration, [{"id": "1"}], known=KNOWN, as_columns=as_columns) as scratch:
        assert scratch.refused == [(1, "missing_column", "why", None)]


OBJECT = {"id": "VARCHAR", "why": {"code": "VARCHAR"}}


@pytest.mark.parametrize(
    ("known", "why"),
    [(OBJECT, "late"), (KNOWN, {"code": "late"}), (KNOWN, ["late"]), ({**KNOWN, "why": ["VARCHAR"]}, "late")],
)
def test_another_form_stops_by_default(conform: Any, known: dict[str, Any], why: Any) -> None:
    with (
        pytest.raises(SourceError, match="of another type: why"),
        conform(stream("why::VARCHAR"), [{"id": 1, "why": why}], known=known),
    ):
        pass


def test_another_form_may_quarantine_the_batch_and_does_not_become_known(conform: Any) -> None:
    with conform(
        stream("why.code", retyped_column="quarantine"), [{"id": 1, "why": "late"}], known=OBJECT
    ) as scratch:
        assert scratch.refused == [(1, "retyped_column", "why", None)]
        assert scratch.column("SELECT record_id FROM record") == ["1"]
        assert scratch.conformed.raw_columns == OBJECT


def test_another_form_may_be_accepted_and_is_read_as_it_is_now(conform: Any) -> None:
    with conform(
        stream("why.code", retyped_column="accept"), [{"id": 1, "why": {"code": "late"}}], known=KNOWN
    ) as scratch:
        assert scratch.conformed.report == {"drift": {"retyped": ["why"]}}
        assert scratch.column("SELECT reason FROM support_case") == ["late"]


def test_forms_mixed_in_one_batch_are_kept_as_text_and_none_is_lost(conform: Any) -> None:
    records = [{"id": 1, "why": "late"}, {"id": 2, "why": {"code": "late"}}, {"id": 3, "why": ["late"]}]
    with conform(stream(), records) as scratch:
        assert scratch.column("SELECT reason FROM support_case ORDER BY _row") == [
            "late",
            '{"code":"late"}',
            '["late"]',
        ]


def test_a_null_where_an_object_was_is_no_drift(conform: Any) -> None:
    with conform(stream("why.code"), [{"id": 1, "why": None}], known=OBJECT) as scratch:
        assert scratch.conformed.report == {}
        assert scratch.column("SELECT reason FROM support_case") == [None]
