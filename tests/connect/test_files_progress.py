"""What reading files reports of its progress."""

from __future__ import annotations

import gzip

import pytest
from file_source import Drop

from cxflow.model import progress
from cxflow.model.progress import Progress

ROWS = 60_000


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Progress]:
    """All reports of the test, however quickly they follow each other."""
    monkeypatch.setattr(progress, "_LEAST_SECONDS", 0.0)
    return []


def content(kind: str) -> str:
    note = "x" * 60
    if kind == "jsonl":
        return "".join(f'{{"id": {number}, "note": "{note}"}}\n' for number in range(ROWS))
    return "id,note\n" + "".join(f"{number},{note}\n" for number in range(ROWS))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_files_are_counted_by_bytes_and_then_read_of_a_known_number(
    drop: Drop, heard: list[Progress], kind: str
) -> None:
    for name in "ab":
        drop.write(f"{name}.{kind}", content(kind))
    with progress.listening(heard.append):
        assert len(drop.land().records) == 2 * ROWS
    counting = [each for each in heard if each.stage == "counting"]
    parts = [each.part or 0.0 for each in counting]
    assert len(parts) >= 6, "several of each file"
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert 0.4 < parts[len(parts) // 2] < 0.65, "the middle is the first file's end"
    assert counting[-1].done == 2 * ROWS
    reading = [each for each in heard if each.stage == "reading"]
    assert (reading[0].done, reading[0].total) == (0, ROWS)
    assert reading[1].total == 2 * ROWS
    assert reading[-1].done == 2 * ROWS
    assert heard[-1] == Progress("landing", total=2 * ROWS)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_how_much_of_a_compressed_file_is_read_is_not_said(
    drop: Drop, heard: list[Progress], name: str
) -> None:
    drop.write(name, gzip.compress(content("csv").encode()))
    with progress.listening(heard.append):
        drop.land()
    counting = [each for each in heard if each.stage == "counting"]
    assert counting[-1].done == ROWS
    assert {each.part for each in counting} == {None}


def test_what_is_landed_does_not_depend_on_who_listens(drop: Drop, heard: list[Progress]) -> None:
    drop.write("a.csv", content("csv"))
    alone = drop.land()
    with progress.listening(heard.append):
        assert drop.land().records == alone.records
