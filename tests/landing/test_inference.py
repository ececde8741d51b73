"""The raw schema of a batch: what is new, what is gone, what is of another form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxflow import duck
from cxflow.landing import inference, page_part, zone
from cxflow.model import raw_schema
from cxflow.model.raw_schema import Drift
from cxflow.model.reading import Page, Query

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def _describe(*records: dict[str, Any]) -> raw_schema.RawSchema:
    with zone.writing() as writer:
        writer.land(Page("x", NOW, records))
        writer.close()
        return inference.infer(writer.folder, writer.layout).raw_columns


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([{"a": 1}, {"a": "x"}, {"a": True}, {"a": 1.5}, {"a": 2**70}], {"a": "VARCHAR"}),
        ([{"a": None}], {"a": "NULL"}),
        ([{"a": None}, {"a": 1}], {"a": "VARCHAR"}),
        ([{"a": 1}, {"b": 2}], {"a": "VARCHAR", "b": "VARCHAR"}),
        (
            [{"a": {"b": {"c": 1}}}, {"a": {"d": None}}, {"a": None}],
            {"a": {"b": {"c": "VARCHAR"}, "d": "NULL"}},
        ),
        ([{"a": [1, "x"]}], {"a": ["VARCHAR"]}),
        ([{"a": []}], {"a": ["NULL"]}),
        ([{"a": []}, {"a": [{"b": 1}, {"c": 2}]}], {"a": [{"b": "VARCHAR", "c": "VARCHAR"}]}),
        ([{"a": [[1]]}], {"a": [["VARCHAR"]]}),
        ([{"a": {}}], {"a": {}}),
        ([{"a": {}}, {"a": {"b": 1}}], {"a": {"b": "VARCHAR"}}),
        ([{"a": {}}, {"a": None}, {}], {"a": {}}),
        ([{"a": {}}, {"a": "text"}], {"a": "VARCHAR"}),
        ([{"a": {}}, {"a": []}], {"a": "VARCHAR"}),
        ([{"a": [{}, {"b c": {}}]}], {"a": [{"b c": {}}]}),
        ([{"a[*]": [{}]}], {"a[*]": [{}]}),
        ([{"a[*]": {}, 'q"': {}}], {"a[*]": {}, 'q"': "VARCHAR"}),
        (
            [{"z\0": {"b": 1}, "e\\": {"b": 1}, "'": {"b": 1}, "l": [1]}],
            {"z\0": {"b": "VARCHAR"}, "e\\": {"b": "VARCHAR"}, "'": {"b": "VARCHAR"}, "l": ["VARCHAR"]},
        ),
        ([{"a": {"b": 1}}, {"a": "text"}], {"a": "VARCHAR"}),
        ([{"a": [1]}, {"a": "text"}], {"a": "VARCHAR"}),
        ([{"a": [1]}, {"a": {"b": 1}}], {"a": "VARCHAR"}),
        (
            [{"": 1, "a b": 2, 'q"': 3}],
            {"a b": "VARCHAR", 'q"': "VARCHAR"},
        ),  # SQL has no name for an empty one
        ([{}], {}),
        ([], {}),
    ],
)
def test_the_shape_of_json_records_is_seen(
    records: list[dict[str, Any]], expected: raw_schema.RawSchema
) -> None:
    assert _describe(*records) == expected


def test_a_key_of_one_record_in_many_is_seen() -> None:
    assert "rare" in _describe(*({"id": number} for number in range(30_000)), {"rare": 1})


KEYS = ["a", "b", "c d", "", 'q"']
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.sampled_from([2**70, 1e300, '"', "\\u0022", "é", '{"a":1,"a":2}']),
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=4,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3), min_size=1, max_size=12)


@contextmanager
def _landed(*records: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path, str]]:
    """Two records are the examples, three are a row group."""
    with (
        pytest.MonkeyPatch.context() as patch,
        zone.writing() as writer,
        duck.workbench() as database,
    ):
        patch.setattr(inference, "_FIRST_RECORDS", 2)
        patch.setattr(page_part, "GROUP_RECORDS", 3)
        for start in range(0, len(records), 3):
            writer.land(Page("x", NOW, [record.encode() for record in records[start : start + 3]]))
        writer.close()
        parts = duck.literals([str(path) for path in sorted(writer.folder.glob("part-*"))])
        yield database, writer.folder, f"read_parquet({parts})"


@settings(max_examples=200, deadline=None)
@given(RECORDS, st.sampled_from([None, (",", ":"), (" , ", " : ")]), st.booleans())
def test_examples_describe_what_a_look_at_every_record_does(
    records: list[dict[str, Any]], separators: tuple[str, str] | None, escaped: bool
) -> None:
    texts = [json.dumps(record, separators=separators, ensure_ascii=escaped) for record in records]
    with _landed(*texts) as (database, folder, parts):
        by_example = inference._by_example(database, folder, parts)
        assert by_example in (None, inference._by_all(database, parts))


FLAT_VALUES = st.recursive(
    st.none() | st.sampled_from([True, 0.5, "é", '{"a":1,"a":2}']),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c d", "A"]), inner, max_size=3),
    max_leaves=6,
)
FLAT_RECORDS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "c d", "A"]), FLAT_VALUES, max_size=4),
    min_size=1,
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(FLAT_RECORDS, st.integers(0, 5))
def test_forms_describe_what_a_look_at_every_record_does(records: list[dict[str, Any]], twice: int) -> None:
    texts = [json.dumps(record) for record in records]
    if twice < len(texts):  # a key that a record has twice, at its top or below
        texts[twice] = texts[twice].replace('"b":', '"a":')
    with _landed(*texts) as (database, folder, parts), pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "_by_shape", lambda *_: None)
        by_form = inference._by_example(database, folder, parts)
        if by_form is None:
            assert twice < len(texts), "it tells all records without a repeated key"
        else:
            assert by_form == inference._by_all(database, parts)
            assert not by_form.repeated_keys


def test_more_forms_than_are_told_apart_are_left_to_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "_MOST_FORMS", 9)
    keys = [f"key {number}" for number in range(10)]
    records = [json.dumps(dict.fromkeys(keys, 1)), *(json.dumps({key: 1}) for key in keys)]
    with _landed(*records) as (database, folder, parts):
        assert inference._by_example(database, folder, parts) == inference.Inferred(
            dict.fromkeys(keys, "VARCHAR")
        )
        monkeypatch.setattr(inference, "_by_shape", lambda *_: None)
    with _landed(*records) as (database, folder, parts):
        assert inference._by_example(database, folder, parts) is None


def test_names_that_differ_in_case_keep_their_order_however_often_records_are_described() -> None:
    others = [f'{{"{name}":1}}' for name in ("abc", "ABC", "Abc", "aBc")]
    found = []
    for _ in range(5):
        with _landed(*(['{"id":1}'] * 5), *others) as (database, folder, parts):
            found.append(json.dumps(inference._by_example(database, folder, parts).raw_columns))  # type: ignore[union-attr]
    assert len(set(found)) == 1


TICKET = (
    '{"id":%d,"tags":["new"],"via":{"channel":"web"},"fields":[{"id":1,"value":null},{"id":2,"value":["x"]}]}'
)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], {}),
        (['{"id":8,"rare":{"x":1}}'], {"rare": {"x": "VARCHAR"}}),
        (['{"via":{"rare":[1]}}'], {"via": {"channel": "VARCHAR", "rare": ["VARCHAR"]}}),
        (['{"id":{"now":"an object"}}'], {"id": "VARCHAR"}),
        (['{"tags":["new",null,2]}', '{"tags":"none"}'], {"tags": "VARCHAR"}),
        (
            [f'{{"rare_{number}":null}}' for number in range(20)],
            {f"rare_{number}": "NULL" for number in range(20)},
        ),
    ],
)
def test_records_with_lists_are_known_by_example(others: list[str], expected: raw_schema.RawSchema) -> None:
    tickets = [TICKET % number for number in range(50)]
    known = {
        "id": "VARCHAR",
        "tags": ["VARCHAR"],
        "via": {"channel": "VARCHAR"},
        "fields": [{"id": "VARCHAR", "value": ["VARCHAR"]}],
    }
    with _landed(*tickets, *others) as (database, folder, parts):
        found = inference._by_example(database, folder, parts)
        assert found == inference.Inferred(known | expected)


def test_where_every_group_is_built_anew_all_records_are_described() -> None:
    records = [json.dumps({f"key {number}": [number]}) for number in range(60)]
    with _landed(*records) as (database, folder, parts):
        assert inference._by_example(database, folder, parts) is None
        assert len(inference.infer(folder, "json").raw_columns) == 60


@pytest.mark.parametrize(
    ("record", "paths"),
    [
        ('{"id":1,"id":1}', ["$"]),
        ('{"id":"x","via":{"channel":"a", "channel" : "b"}}', ['$."via"']),
        ('{"id":"\\u0022","id":"\\u0022\\u0022"}', ["$"]),  # as many quotes as the parser writes
        ('{"id":"\\u0022\\u0022","id":1}', ["$"]),
        ('{"via":{"channel":1},"via":{"channel":2}}', ["$"]),
        ('{"id":"\\"id\\":1"}', []),
        ('{"fields":[{"id":1,"id":2}]}', []),
    ],
)
def test_a_repeated_key_is_found_among_records_that_are_alike(record: str, paths: list[str]) -> None:
    tickets = [TICKET % number for number in range(20)]
    with _landed(*tickets, record, *tickets) as (database, folder, parts):
        found = inference._by_example(database, folder, parts)
        assert found is not None
        assert found.repeated_keys == paths == inference._by_all(database, parts).repeated_keys


def test_typed_columns_are_described_by_their_types() -> None:
    with zone.writing() as writer, duckdb.connect() as database:
        own = "'f' AS _origin, now() AS _received_at"
        writer.land(Query(database, f"SELECT 1 AS id, {{'a': 1}} AS nested, [1] AS list, {own}"))
        writer.land(Query(database, f"SELECT 2 AS id, 'x' AS late, {own}"))
        assert inference.infer(writer.folder, writer.layout).raw_columns == {
            "id": "INTEGER",
            "nested": "STRUCT(a INTEGER)",
            "list": "INTEGER[]",
            "late": "VARCHAR",
        }
    assert inference.infer(Path("nowhere"), None).raw_columns == {}


OBJECT, LIST, OBJECTS = {"b": "VARCHAR"}, ["VARCHAR"], [{"b": "VARCHAR"}]


@pytest.mark.parametrize(
    ("known", "seen", "expected"),
    [
        ({}, {"a": "VARCHAR"}, Drift()),
        ({"a": "VARCHAR"}, {"a": "VARCHAR"}, Drift()),
        ({"a": "VARCHAR"}, {"b": "VARCHAR"}, Drift(new=("b",), missing=("a",))),
        ({"a": OBJECT}, {"a": {"c": "VARCHAR"}}, Drift(new=("a.c",))),
        ({"a": OBJECTS}, {"a": [{"b": "VARCHAR", "c": LIST}]}, Drift(new=("a.c",))),
        ({"a": {}}, {"a": OBJECT}, Drift(new=("a.b",))),
        ({"a": OBJECT}, {"a": {}}, Drift()),
        ({"a": "VARCHAR"}, {"a": OBJECT}, Drift(retyped=("a",))),
        ({"a": OBJECT}, {"a": "VARCHAR"}, Drift(retyped=("a",))),
        ({"a": "VARCHAR"}, {"a": LIST}, Drift(retyped=("a",))),
        ({"a": LIST}, {"a": "VARCHAR"}, Drift(retyped=("a",))),
        ({"a": "VARCHAR"}, {"a": ["NULL"]}, Drift(retyped=("a",))),
        ({"a": OBJECT}, {"a": OBJECTS}, Drift(retyped=("a",))),
        ({"a": OBJECTS}, {"a": OBJECT}, Drift(retyped=("a",))),
        ({"a": LIST}, {"a": OBJECTS}, Drift(retyped=("a",))),
        ({"a": [LIST]}, {"a": LIST}, Drift(retyped=("a",))),
        ({"a": {"b": "VARCHAR"}}, {"a": {"b": LIST}}, Drift(retyped=("a.b",))),
        ({"a": [{"b": "VARCHAR"}]}, {"a": [{"b": {}}]}, Drift(retyped=("a.b",))),
        ({"a": "NULL"}, {"a": OBJECT}, Drift()),
        ({"a": OBJECT}, {"a": "NULL"}, Drift()),
        ({"a": "NULL"}, {"a": LIST}, Drift()),
        ({"a": ["NULL"]}, {"a": LIST}, Drift()),
        ({"a": OBJECTS}, {"a": ["NULL"]}, Drift()),
        ({"a": "INTEGER"}, {"a": "BIGINT"}, Drift()),
        ({"a": "INTEGER"}, {"a": "VARCHAR"}, Drift()),
        ({"a": "INTEGER"}, {"a": "INTEGER[]"}, Drift(retyped=("a",))),
        ({"a": "STRUCT(x INTEGER)"}, {"a": "VARCHAR"}, Drift(retyped=("a",))),
        ({"a": "INTEGER[]"}, {"a": "VARCHAR[]"}, Drift()),
    ],
)
def test_differences_are_named_by_their_dotted_columns(
    known: raw_schema.RawSchema, seen: raw_schema.RawSchema, expected: Drift
) -> None:
    assert raw_schema.differences(known, seen) == expected


@pytest.mark.parametrize(
    ("known", "seen", "merged"),
    [
        ({"a": "VARCHAR"}, {"b": "VARCHAR"}, {"a": "VARCHAR", "b": "VARCHAR"}),
        ({"a": {"b": "VARCHAR"}}, {"a": {"c": "NULL"}}, {"a": {"b": "VARCHAR", "c": "NULL"}}),
        ({"a": [{"b": "VARCHAR"}]}, {"a": [{"c": "VARCHAR"}]}, {"a": [{"b": "VARCHAR", "c": "VARCHAR"}]}),
        ({"a": "NULL"}, {"a": OBJECT}, {"a": OBJECT}),
        ({"a": OBJECT}, {"a": "NULL"}, {"a": OBJECT}),
        ({"a": LIST}, {"a": ["NULL"]}, {"a": LIST}),
        ({"a": {}}, {"a": OBJECT}, {"a": OBJECT}),
        ({"a": OBJECT}, {"a": {}}, {"a": OBJECT}),
        ({"a": OBJECT}, {"a": "VARCHAR"}, {"a": "VARCHAR"}),
        ({"a": "VARCHAR"}, {"a": LIST}, {"a": LIST}),
        ({}, {"a": "VARCHAR"}, {"a": "VARCHAR"}),
        ({"a": "VARCHAR"}, {}, {"a": "VARCHAR"}),
    ],
)
def test_a_merged_shape_holds_both_and_shows_no_more_difference(
    known: raw_schema.RawSchema, seen: raw_schema.RawSchema, merged: raw_schema.RawSchema
) -> None:
    before = json.dumps([known, seen])
    assert raw_schema.merge(known, seen) == merged
    again = raw_schema.differences(merged, seen)
    assert (again.new, again.retyped) == ((), ())
    assert json.dumps([known, seen]) == before, "neither is changed by merging"


def test_columns_that_may_lack_read_as_null_wherever_they_would_stand() -> None:
    met = {"id": "VARCHAR", "metric": "NULL", "via": {"channel": "VARCHAR"}}
    assert raw_schema.with_absent(met, ("metric.first", "via.source.name", "tag", "id")) == {
        "id": "VARCHAR",
        "metric": {"first": "VARCHAR"},
        "via": {"channel": "VARCHAR", "source": {"name": "VARCHAR"}},
        "tag": "VARCHAR",
    }
    assert met["metric"] == "NULL"


def test_columns_that_may_lack_are_added_to_the_items_of_a_list() -> None:
    met = {
        "lines": [{"no": "VARCHAR"}],
        "none": ["NULL"],
        "nested": [[{"a": "VARCHAR"}]],
        "texts": ["VARCHAR"],
    }
    absent = ("lines.price.net", "none.at", "nested.b", "texts.size")
    assert raw_schema.with_absent(met, absent) == {
        "lines": [{"no": "VARCHAR", "price": {"net": "VARCHAR"}}],
        "none": [{"at": "VARCHAR"}],
        "nested": [[{"a": "VARCHAR", "b": "VARCHAR"}]],
        "texts": ["VARCHAR"],
    }


def test_names_are_dotted() -> None:
    assert raw_schema.names({"a": {"b": {"c": "VARCHAR"}}, "d": ["VARCHAR"]}) == ["a", "a.b", "a.b.c", "d"]


def test_of_names_that_differ_in_case_the_first_is_read() -> None:
    record = {"id": 1, "ID": 2, "x": {"b": 3, "a": 4, "A": 5}}
    structure = raw_schema.as_structure(_describe(record))
    with duckdb.connect() as database:
        found = database.execute("SELECT from_json($1, $2)", [json.dumps(record), structure]).fetchall()
    assert found == [({"id": "1", "x": {"b": "3", "a": "4"}},)]


def test_a_structure_reads_every_record_of_its_shape() -> None:
    records = [{"id": 9007199254740993, "a": {"b": [1, None]}, "e": {}, "n": None}, {"id": "x", "e": {}}]
    structure = raw_schema.as_structure(_describe(*records))
    with duckdb.connect() as database:
        found = [
            database.execute("SELECT from_json($1, $2)", [json.dumps(record), structure]).fetchall()[0][0]
            for record in records
        ]
    assert found == [
        {"id": "9007199254740993", "a": {"b": ["1", None]}, "e": "{}", "n": None},
        {"id": "x", "a": None, "e": "{}", "n": None},
    ]
