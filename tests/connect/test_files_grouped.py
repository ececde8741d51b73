"""Lines that only together say something become one record: baskets of lines, calls of events."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from file_source import DAY, Drop, Landed

from cxflow.errors import ConfigError, CountError, SourceError

BASKETS: dict[str, Any] = {
    "group_by": ["id"],
    "aggregates": {
        "total": "sum(price::decimal(18, 4))",
        "products": "string_agg(product, ',' ORDER BY product)",
        "places": "string_agg(_file_row::VARCHAR, ',' ORDER BY _file, _file_row)",
    },
}
HEAD = "id,product,price\n"
LINES = ["1,a,1.10\n", "2,a,1.10\n", "1,b,2.20\n", "2,c,3\n", "3,a,0.5\n"]
WHOLE = {
    "1": (Decimal("3.3000"), "a,b"),
    "2": (Decimal("4.1000"), "a,c"),
    "3": (Decimal("0.5000"), "a"),
}


def baskets(found: Landed) -> dict[str, tuple[Decimal, str]]:
    return {each["id"]: (each["total"], each["products"]) for each in found.records}


def test_lines_of_one_basket_are_one_record(drop: Drop) -> None:
    drop.write("a.csv", HEAD + "".join(LINES))
    found = drop.land(**BASKETS)
    assert baskets(found) == WHOLE
    assert found.manifest.records == found.manifest.counted == 3
    assert [each["places"] for each in found.records] == ["1,3", "2,4", "5"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 4, 0, 1, 3)])
def test_the_same_lines_give_the_same_records_in_any_files_and_order(
    drop: Drop, order: tuple[int, ...]
) -> None:
    for place, number in enumerate(order):
        drop.write(f"{place}.csv", HEAD + LINES[number], DAY + timedelta(hours=place))
    assert baskets(drop.land(**BASKETS)) == WHOLE


def test_a_new_line_of_an_old_basket_completes_it(drop: Drop) -> None:
    drop.write("a.csv", HEAD + "".join(LINES[:2]), DAY)
    first = drop.land(cursor={}, **BASKETS)
    assert baskets(first) == {"1": (Decimal("1.1000"), "a"), "2": (Decimal("1.1000"), "a")}
    drop.write("b.csv", HEAD + "".join(LINES[2:]), DAY + timedelta(days=1))
    second = drop.land(cursor=first.cursor, **BASKETS)
    assert baskets(second) == WHOLE
    assert second.received == [DAY + timedelta(days=1)] * 3
    assert drop.land(cursor=second.cursor, **BASKETS).records == []


def test_a_basket_was_delivered_with_its_last_line(drop: Drop) -> None:
    drop.write("a.csv", HEAD + LINES[0] + LINES[4], DAY)
    drop.write("b.csv", HEAD + LINES[2], DAY + timedelta(days=1))
    found = drop.land(**BASKETS)
    assert found.received == [DAY + timedelta(days=1), DAY]
    assert found.origins == ["b.csv", "a.csv"]


def test_a_backfill_of_one_file_reads_the_other_lines_of_its_baskets(drop: Drop) -> None:
    drop.write("a.csv", HEAD + "".join(LINES[:2]), DAY)
    drop.write("b.csv", HEAD + "".join(LINES[2:]), DAY + timedelta(days=1))
    found = drop.land(start=DAY + timedelta(hours=1), end=DAY + timedelta(days=2), **BASKETS)
    assert baskets(found) == WHOLE


def test_with_a_file_gone_baskets_would_lose_lines(drop: Drop) -> None:
    gone = drop.write("a.csv", HEAD + "".join(LINES[:2]), DAY)
    drop.write("0.csv", HEAD + "9,x,1\n", DAY)
    first = drop.land(cursor={}, **BASKETS)
    gone.unlink()
    assert drop.land(cursor=first.cursor, **BASKETS).records == [], "nothing new, nothing to complain about"
    drop.write("b.csv", HEAD + "".join(LINES[2:]), DAY + timedelta(days=1))
    with pytest.raises(SourceError, match=r"gone: .*a\.csv.*group_by"):
        drop.land(cursor=first.cursor, **BASKETS)


def test_groups_within_a_file_read_new_files_alone(drop: Drop) -> None:
    within = {**BASKETS, "group_within": "file"}
    drop.write("a.csv", HEAD + LINES[0] + LINES[2], DAY)
    first = drop.land(cursor={}, **within)
    drop.write("b.csv", HEAD + LINES[1] + LINES[3], DAY + timedelta(days=1))
    second = drop.land(cursor=first.cursor, **within)
    assert baskets(first) | baskets(second) == {name: WHOLE[name] for name in ("1", "2")}
    assert len(second.records) == 1


def test_the_same_basket_in_two_files_is_two_records_if_groups_lie_within_one(drop: Drop) -> None:
    drop.write("a.csv", HEAD + LINES[0], DAY)
    drop.write("b.csv", HEAD + LINES[2], DAY)
    assert drop.land(**BASKETS, group_within="file").ids == ["1", "1"]


def test_a_line_without_its_group_is_refused_and_not_put_with_others(drop: Drop) -> None:
    drop.write("a.csv", HEAD + LINES[0] + ",x,9\n,y,8\n")
    found = drop.land(**BASKETS)
    assert baskets(found) == {"1": (Decimal("1.1000"), "a")}
    reason = "no value in id, by which lines are grouped"
    assert [(why, json.loads(line)["product"]) for why, line in found.malformed] == [
        (reason, "x"),
        (reason, "y"),
    ]


def test_damaged_lines_are_refused_as_ever(drop: Drop) -> None:
    drop.write("a.csv", HEAD + LINES[0] + "damaged\n" + LINES[2])
    drop.write("b.csv", (HEAD + LINES[1]).encode() + b"2,\xff,3\n", DAY + timedelta(hours=1))
    found = drop.land(**BASKETS)
    assert baskets(found) == {"1": WHOLE["1"], "2": (Decimal("1.1000"), "a")}
    assert sorted(line for _, line in found.malformed) == ["2,\\xff,3", "damaged"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.tsv"])
def test_lines_of_every_format(drop: Drop, name: str) -> None:
    records = [dict(zip(("id", "product", "price"), line.strip().split(","), strict=True)) for line in LINES]
    if name == "a.jsonl":
        drop.write(name, "".join(json.dumps(each) + "\n" for each in records))
    elif name == "a.json":
        drop.write(name, json.dumps(records))
    elif name == "a.tsv":
        drop.write(name, (HEAD + "".join(LINES)).replace(",", "\t"))
    else:
        values = ", ".join(f"('{each['id']}', '{each['product']}', '{each['price']}')" for each in records)
        with duckdb.connect() as database:
            database.execute(
                f"COPY (FROM (VALUES {values}) lines(id, product, price)) TO '{drop.exports / name}' (FORMAT parquet)"
            )
    assert baskets(drop.land(f"*.{name.rsplit('.')[-1]}", **BASKETS)) == WHOLE


def test_a_call_of_events(drop: Drop) -> None:
    drop.write(
        "log.csv",
        "call,event,time\n7,answered,10:00:05\n7,queued,10:00:00\n8,queued,10:01:00\n7,ended,10:03:00\n8,gave_up,10:02:00\n",
    )
    found = drop.land(
        group_by=["call"],
        primary_key=["call"],
        aggregates={
            "queued": "min(time) FILTER (event = 'queued')",
            "answered": "min(time) FILTER (event = 'answered')",
            "events": "list(event ORDER BY time)",
        },
    )
    assert found.records == [
        {
            "call": "7",
            "queued": "10:00:00",
            "answered": "10:00:05",
            "events": ["queued", "answered", "ended"],
        },
        {"call": "8", "queued": "10:01:00", "answered": None, "events": ["queued", "gave_up"]},
    ]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("string_agg(product, ',')", r"aggregates.x: string_agg\(\) without ORDER BY"),
        ("list(product)", r"list\(\) without ORDER BY"),
        ("first(product)", r"first\(\) without ORDER BY"),
        ("sum(price", "does not parse"),
        ("(SELECT max(content) FROM read_text('/etc/passwd'))", "contains a query"),
        ("max(now())", "depends on more than"),
    ],
)
def test_an_aggregate_that_cannot_be_right_is_told_before_anything_is_read(
    drop: Drop, sql: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        drop.connector(group_by=["id"], aggregates={"x": sql}).stream("reviews")


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ({"group_by": ["ID2"]}, "group_by names 'ID2', which the files do not have; did you mean 'id'"),
        ({"aggregates": {"total": "sum(prize::int)"}}, r"aggregates.total: .* does not fit the files"),
        ({"aggregates": {"total": "price"}}, r"aggregates.total: 'price' does not fit"),
    ],
)
def test_what_the_files_do_not_have_is_named(drop: Drop, stream: dict[str, Any], said: str) -> None:
    drop.write("a.csv", HEAD + LINES[0])
    with pytest.raises(ConfigError, match=said):
        drop.land(**{**BASKETS, **stream})


def test_a_list_in_the_order_of_its_own_values_is_in_order(drop: Drop) -> None:
    drop.write("a.csv", HEAD + "".join(LINES))
    aggregates = {
        "up": "list(product ORDER BY product)",
        "down": "list(product ORDER BY product DESC)",
        "by_place": "list(_file_row ORDER BY _file_row)",
    }
    found = drop.land(group_by="id", aggregates=aggregates)
    assert [(each["up"], each["down"], each["by_place"]) for each in found.records] == [
        (["a", "b"], ["b", "a"], [1, 3]),
        (["a", "c"], ["c", "a"], [2, 4]),
        (["a"], ["a"], [5]),
    ]


def test_half_a_declaration_is_refused(drop: Drop) -> None:
    with pytest.raises(ConfigError, match="group_by and aggregates go together"):
        drop.connector(group_by=["id"]).stream("reviews")


def test_a_line_that_is_lost_on_the_way_stops_the_stream(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    from cxflow.connect.files import grouping

    monkeypatch.setattr(grouping, "_by_origin", lambda *_: {})
    drop.write("a.csv", HEAD + LINES[0])
    with pytest.raises(CountError, match="holds 1 lines by an independent count, and 0 were read"):
        drop.land(**BASKETS)


def test_files_without_lines_make_no_record(drop: Drop) -> None:
    drop.write("a.csv", HEAD)
    found = drop.land(**BASKETS)
    assert (found.records, found.manifest.records) == ([], 0)


def test_columns_named_like_the_place_of_a_line_do_not_hide_it(drop: Drop) -> None:
    drop.write("a.csv", "id,file,row,_file,_FILE_ROW\n1,x.pdf,70,mine,9\n1,y.pdf,60,mine,8\n", DAY)
    drop.write("b.csv", "id,file,row,_file,_FILE_ROW\n1,z.pdf,50,mine,7\n", DAY + timedelta(days=1))
    found = drop.land(
        group_by="id",
        group_within="file",
        aggregates={
            "lines": "list(row ORDER BY _file_row)",
            "places": "list(_file_row ORDER BY _file_row)",
            "names": "list(_file ORDER BY _file_row)",
            "own": 'list(_file_2 || "_FILE_ROW_2" ORDER BY _file_row)',
            "told": "min(file)",
        },
    )
    assert [
        (each["lines"], each["places"], each["names"], each["own"], each["told"]) for each in found.records
    ] == [
        (["70", "60"], [1, 2], ["exports/a.csv", "exports/a.csv"], ["mine9", "mine8"], "x.pdf"),
        (["50"], [1], ["exports/b.csv"], ["mine7"], "z.pdf"),
    ]
    assert found.origins == ["a.csv", "b.csv"]


def test_keys_that_differ_in_case_alone_are_told_where_an_aggregate_names_them(drop: Drop) -> None:
    drop.write("a.jsonl", '{"id": "1", "price": "2", "Price": "30", "other": "4"}\n')
    found = drop.land(group_by="id", aggregates={"total": "max(other)"})
    assert [each["total"] for each in found.records] == ["4"]
    with pytest.raises(SourceError, match="the keys 'price' and 'Price', which differ in case alone"):
        drop.land(group_by="id", aggregates={"total": "max(price)"})
