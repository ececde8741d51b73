"""What JSON records may hold: mixed kinds at one key, keys of cxflow's own names, empty and repeated keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cxflow import flow
from cxflow.errors import SourceError
from cxflow.landing import zone
from cxflow.model.batch import BatchRef
from cxflow.testing.project import TestProject

WHEN = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"


def declared(body: str, **more: Any) -> dict[str, Any]:
    review = {"review_id": "id", "review_body": body, "date_published": WHEN}
    stream = {"path": "*.jsonl", "primary_key": ["id"], "to": {"review": review}, **more}
    table = {"connector": "files", "streams": {"reviews": stream}}
    return {"quality": {"max_rejected_share": 1.0}, "connections": {"shop": table}}


def project(folder: Path, body: str, *lines: str, **more: Any) -> TestProject:
    """A project over one file of records; `body` is mapped to a review's text."""
    (folder / "a.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return TestProject(folder, declared(body, **more))


def bodies(shop: TestProject) -> list[Any]:
    return [body for _, body in shop.rows("review", "review_id", "review_body")]


def test_of_a_repeated_key_the_last_value_counts_at_each_level(tmp_path: Path) -> None:
    shop = project(
        tmp_path,
        "concat_ws('|', a, b.k, b.c.d, text)",
        '{"id": 1, "a": 1, "b": {"k": 1, "k": 2, "c": {"d": "x", "d": "y"}}, "text": "\\"a\\": 7", "a": 3}',
        '{"id": 2, "a": 4, "b": {"k": 5, "c": {"d": "z"}}, "text": "plain"}',
    )
    shop.run()
    assert bodies(shop) == ['3|2|y|"a": 7', "4|5|z|plain"]


def test_the_numbers_beside_a_repeated_key_keep_their_digits(tmp_path: Path) -> None:
    line = (
        '{"id": 12345678901234567890123, "a": 0, "a": 12345678901234567.123456789, "b": "é\\u00e9 \\ud83d\\ude00",'
        ' "mixed": [1.50, 1e3]}'
    )
    shop = project(tmp_path, "concat_ws('|', a, b, mixed[1])", line)
    shop.run()
    assert shop.rows("review", "review_id", "review_body") == [
        ("shop:12345678901234567890123", "12345678901234567.123456789|éé 😀|1.5")
    ]


def test_a_repeated_key_is_found_in_any_record_and_beside_lists(tmp_path: Path) -> None:
    lines = [f'{{"id": {number}, "a": "x", "l": [{{"k": 1}}]}}' for number in range(3_000)]
    lines[2_700] = '{"id": 2700, "a": "x", "l": [{"k": 1}], "a": "last"}'
    lines[2_800] = '{"id": 2800, "new": {"k": 1, "k": "newest"}}'
    shop = project(tmp_path, "coalesce(new.k, a)", *lines)
    shop.run()
    found = dict(shop.rows("review", "review_id", "review_body"))
    assert (found["shop:2700"], found["shop:2800"], found["shop:1"]) == ("last", "newest", "x")


def test_records_with_repeated_keys_are_replayed_and_mapped_anew_alike(tmp_path: Path) -> None:
    shop = project(tmp_path, "a", '{"id": 1, "a": 1, "a": 2}')
    batch = shop.run()["shop.reviews"].batch
    (tmp_path / "a.jsonl").write_text('{"id": 2, "a": 3}\n', encoding="utf-8")
    shop.run()
    shop.reconfigure(declared("'v' || a"))
    flow.remap(shop.settings, "shop", "reviews")
    assert bodies(shop) == ["v2", "v3"]
    assert zone.read_manifest(shop.settings, batch).repeated_keys == ["$"]
    assert _payloads_kept(shop, batch)


def _payloads_kept(shop: TestProject, batch: BatchRef) -> bool:
    """Whether the landed record is as it was delivered."""
    with zone.local_copy(shop.settings, batch.path) as folder:
        table = pq.read_table(next(iter(folder.glob("part-*.parquet"))))
    return bool(table["_payload"].to_pylist() == ['{"id": 1, "a": 1, "a": 2}'])


def test_keys_of_cxflows_own_names_get_a_number(tmp_path: Path) -> None:
    record = {"id": 1, "_row": 7, "_Origin": "web", "_received_at": "then", "_row_2": "p", "_payload": "q"}
    shop = project(
        tmp_path, "concat_ws('|', _row_3, _Origin_2, _received_at_2, _row_2, _payload)", json.dumps(record)
    )
    shop.run()
    assert bodies(shop) == ["7|web|then|p|q"]
    shop.reconfigure(declared("_origin"))  # its file
    flow.remap(shop.settings, "shop", "reviews")
    assert bodies(shop)[0].endswith("a.jsonl")


def test_a_new_key_of_such_a_name_is_judged_like_any_other(tmp_path: Path) -> None:
    shop = project(tmp_path, "a", '{"id": 1, "a": "x"}', policies={"new_column": "quarantine"})
    shop.run()
    (tmp_path / "b.jsonl").write_text('{"id": 2, "_row": 1}\n{"id": 3}\n', encoding="utf-8")
    counts = shop.run()["shop.reviews"].counts
    assert (counts.inserted, counts.quarantined) == (1, 1)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("b", '{"id": 1, "": 7, "b": "x"}'),
        ("m.b", '{"id": 1, "m": {"": 7, "b": "x"}}'),
        ("l[1].b", '{"id": 1, "l": [{"": 7, "b": "x"}]}'),
        ("trim(m, '{\":}')", '{"id": 1, "m": {"": "x"}}'),  # the text of it
    ],
)
def test_an_empty_key_hides_no_other(tmp_path: Path, body: str, line: str) -> None:
    shop = project(tmp_path, body, line)
    assert shop.run()["shop.reviews"].notes == {}
    assert bodies(shop) == ["x"]


def test_a_list_where_objects_were_names_the_key_and_the_file(tmp_path: Path) -> None:
    shop = project(tmp_path, "a.k", '{"id": 1, "a": {"k": 1}, "o": [{"p": 1}]}')
    shop.run()
    (tmp_path / "b.jsonl").write_text('{"id": 2, "a": [2]}\n{"id": 3, "a": "x"}\n', encoding="utf-8")
    with pytest.raises(
        SourceError, match=r"another type: a \(a: a list \(\S*b\.jsonl\), a plain value \(\S*b\.js"
    ):
        shop.run()
    (tmp_path / "b.jsonl").write_text('{"id": 2, "o": [{"p": [1]}]}\n', encoding="utf-8")
    with pytest.raises(SourceError, match=r"another type: o\.p \(o\.p: a list \(\S*b\.jsonl\)\)"):
        shop.run()


def test_lists_and_objects_at_one_key_are_read_as_text_and_told_where_a_field_is_wanted(
    tmp_path: Path,
) -> None:
    lines = ['{"id": 1, "a": {"k": 1}}', '{"id": 2, "a": [2]}']
    shop = project(tmp_path, "a", *lines)
    shop.run()
    assert bodies(shop) == ['{"k":1}', "[2]"]
    shop.reconfigure(declared("a.k"))
    with pytest.raises(
        SourceError, match=r"the key 'a' has values of several kinds, a list \(in \S*a\.jsonl\), an object"
    ):
        flow.remap(shop.settings, "shop", "reviews")
