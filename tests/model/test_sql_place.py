"""The place of a fault in an expression, as messages show it."""

from __future__ import annotations

import duckdb
import pytest

from cxflow.model.sql_place import marked, named, shown


def place(text: str) -> tuple[int, int] | None:
    """Line and column, from 0, that DuckDB marks in an expression."""
    with duckdb.connect() as database:
        database.execute("CREATE TABLE raw (a VARCHAR)")
        with pytest.raises(duckdb.Error) as caught:
            database.execute(f"DESCRIBE SELECT (\n{text}\n) FROM raw")
    at = marked(text, str(caught.value))
    if at is None:
        return None
    before = text[:at].split("\n")
    return len(before) - 1, len(before[-1])


LONG = "'" + "x" * 70 + "' || "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo(a)", (0, 0)),
        ("upper(\n  a || foo(a)\n)", (1, 7)),
        ("'日本' || foo(a)", (0, 8)),
        ("'e\u0301' || foo(a)", (0, 8)),
        (f"{LONG}{LONG}foo(a) || {LONG}a", (0, 2 * len(LONG))),
        ("a.b", None),
    ],
)
def test_the_place_that_duckdb_marks_is_found(text: str, expected: tuple[int, int] | None) -> None:
    assert place(text) == expected


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "a" * 200
    line, caret = shown(text, 100).splitlines()[2:]
    assert line == f"  …{'a' * 120}…"
    assert caret.index("^") == 2 + 1 + 60


def test_a_place_after_the_end_is_the_end() -> None:
    assert shown("a +\n", 99) == "\nline 1, column 4:\n  a +\n     ^"


def test_an_unknown_place_is_not_shown() -> None:
    assert (shown("a", None), marked("a", "Binder Error: no place")) == ("", None)


def test_an_expression_of_several_lines_is_named_by_its_first() -> None:
    assert [named("a"), named("\n a,\n b\n")] == ["'a'", "'a, …'"]
