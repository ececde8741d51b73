"""Answers of imitations, compared with real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxflow.testing import answers

REAL = {
    "items": [
        {"id": 1, "tags": [], "score": None, "to": {"mail": "x"}},
        {"id": 2, "tags": ["a"], "score": 1.5},
    ],
    "next": None,
}


def test_keys_and_types_that_real_answers_lack_are_said() -> None:
    made = {"items": [{"id": "1", "tags": "a", "score": 2, "to": {"mail": None, "cc": 1}}], "next": "there"}
    assert answers.differences(made, REAL) == [
        "items.id: string; in real answers number",
        "items.to.cc: real answers have no such key",
    ]
    assert answers.differences(made, REAL, "items.to.", "items.id") == []


def test_a_list_is_no_single_value_and_an_empty_one_tells_no_type() -> None:
    assert answers.differences({"x": ["a"]}, {"x": "a"}) == ["x: array; in real answers string"]
    assert answers.differences({"x": "a"}, {"x": []}) == ["x: string; in real answers array"]
    assert answers.differences({"x": [{"y": 1}]}, {"x": []}) == ["x.y: real answers have no such key"]
    assert answers.differences({"x": [1]}, {"x": []}) == []


def test_a_missing_folder_skips_and_a_missing_example_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(answers.EXAMPLES, str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=answers.EXAMPLES):
        answers.example("desk", "tickets.json")
    (tmp_path / "desk").mkdir()
    with pytest.raises(FileNotFoundError):
        answers.example("desk", "tickets.json")
    (tmp_path / "desk" / "tickets.json").write_text('{"id": 1}')
    assert answers.example("desk", "tickets.json") == {"id": 1}
