"""Lines of an export are put together: each record gets its items back, in whatever order the lines came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cxflow.connect.http.nested_lines import joined
from cxflow.errors import SourceError

LISTS = {"item/": "items", "note/": "notes"}
DONE = {"hasNextPage": False}


def found(folder: Path, *lines: Any, lists: dict[str, str] = LISTS) -> list[Any]:
    file = folder / "result.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return [json.loads(record) for page in joined(file, lists) for record in page]


def test_items_find_their_records_in_any_order_of_the_lines(tmp_path: Path) -> None:
    assert found(
        tmp_path,
        {"id": "item/1", "n": None, "price": "1.50", "big": 9007199254740993, "__parentId": "order/2"},
        {"id": "order/1", "name": "é ü \u2028", "deep": {"empty": {}, "null": None}},
        {"id": "note/7", "__parentId": "order/2"},
        {"id": "order/2"},
        {"id": "item/2", "__parentId": "order/1"},
        {"id": "item/3", "__parentId": "order/2"},
    ) == [
        {
            "id": "order/1",
            "name": "é ü \u2028",
            "deep": {"empty": {}, "null": None},
            "items": {"nodes": [{"id": "item/2"}], "pageInfo": DONE},
            "notes": {"nodes": [], "pageInfo": DONE},
        },
        {
            "id": "order/2",
            "items": {
                "nodes": [
                    {"id": "item/1", "n": None, "price": "1.50", "big": 9007199254740993},
                    {"id": "item/3"},
                ],
                "pageInfo": DONE,
            },
            "notes": {"nodes": [{"id": "note/7"}], "pageInfo": DONE},
        },
    ]


def test_a_result_without_lines_has_no_records(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_thousands_of_records_come_in_the_order_of_their_keys(tmp_path: Path) -> None:
    lines = [{"id": f"order/{number:05}"} for number in range(2500, 0, -1)]
    assert [each["id"] for each in found(tmp_path, *lines, lists={})] == [
        f"order/{number:05}" for number in range(1, 2501)
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"id": "item/1", "__parentId": "order/9"}, "items of records that it does not have"),
        ({"id": "thing/1", "__parentId": "order/1"}, "items of records that it does not have"),
        ('{"id": "order/2", "mail": "amina@exa', "a line that is not JSON"),
    ],
)
def test_what_cannot_be_put_together_is_refused_and_not_quoted(
    tmp_path: Path, line: Any, reason: str
) -> None:
    with pytest.raises(SourceError, match=reason) as problem:
        found(tmp_path, {"id": "order/1"}, line)
    assert "amina" not in str(problem.value)
