"""A closed gate shows what it refused, and what would read it; never a personal value."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from trip_bench import Bench, Record

from cxflow import flow, sources
from cxflow.errors import GateClosedError
from cxflow.validate import examples

ORDERS: dict[str, Any] = {
    "primary_key": ["id"],
    "timezone": "UTC",
    "to": {"order_header": {"order_id": "id", "created_at": "day", "price_total": "total"}},
}
FINE = {"day": "2026-03-01T10:00:00Z", "total": "1"}


def stopped(folder: Path, records: list[dict[str, Any]], **stream: Any) -> GateClosedError:
    """The error of a load that the gate stops."""
    bench = Bench(folder, {"things": {**ORDERS, **stream}})
    numbered: list[Record] = [{"id": str(number), **FINE, **record} for number, record in enumerate(records)]
    with pytest.raises(GateClosedError) as caught:
        bench.load(numbered)
    return caught.value


def test_values_that_do_not_fit_are_shown_by_rule_and_column_five_each(tmp_path: Path) -> None:
    days = [f"{day:02}.02.2026" for day in range(11, 20)]
    said = stopped(tmp_path, [{"day": day} for day in days] + [{"total": "none"}]).message.splitlines()
    assert said[1:] == [
        'cast of order_header.created_at: "11.02.2026", "12.02.2026", "13.02.2026", "14.02.2026", "15.02.2026"',
        'cast of order_header.price_total: "xxxx"',
    ]


@pytest.mark.parametrize(
    ("records", "suggested"),
    [
        ([{"day": "13.02.2026 10:00"}], 'set time_formats = ["iso", "%d.%m.%Y %H:%M"]'),
        (
            [{"day": "03/02/2026"}, {"day": "04/02/2026"}],
            'set time_formats = ["iso", "%d/%m/%Y"] (or "%m/%d/%Y": the values leave it open)',
        ),
        ([{"day": "03/02/2026"}, {"day": "13/02/2026"}], 'set time_formats = ["iso", "%d/%m/%Y"]'),
        ([{"day": "1767225600"}], 'set time_formats = ["iso", "epoch"]'),
        ([{"day": "1767225600000"}], 'set time_formats = ["iso", "epoch_ms"]'),
        ([{"total": "1.234,50"}, {"total": "3,5"}], 'set decimal = ","'),
        ([{"total": "1,234.50"}], "take the separators out in the mapping: replace(…, ',', '')"),
        ([{"day": "soon"}], "fix the mapping or the source"),
    ],
)
def test_what_would_read_the_values_is_suggested(
    tmp_path: Path, records: list[dict[str, Any]], suggested: str
) -> None:
    assert stopped(tmp_path, records * 10).fix == f"nothing was loaded; {suggested}, and run again"


def test_iso_is_suggested_beside_a_format_that_leaves_it_out(tmp_path: Path) -> None:
    day = {"day": "2025-05-11 09:55:16 -0400"}
    stream = {"time_formats": ["%d.%m.%Y"]}
    assert stopped(tmp_path, [day] * 10, **stream).fix == (
        'nothing was loaded; set time_formats = ["%d.%m.%Y", "iso"], and run again'
    )


def test_times_without_a_zone_ask_for_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"things": {name: value for name, value in ORDERS.items() if name != "timezone"}})
    with pytest.raises(GateClosedError) as caught:
        bench.load([{"id": 1, **FINE, "day": "2026-03-01 10:00"}])
    fix = caught.value.fix
    assert fix is not None
    assert 'set timezone = "…"' in fix


def test_to_let_them_pass_is_suggested_only_up_to_a_half(tmp_path: Path) -> None:
    bad, good = {"day": "soon"}, dict[str, Any]()
    less = stopped(tmp_path / "less", [bad] * 10 + [good] * 10).fix
    more = stopped(tmp_path / "more", [bad] * 11 + [good] * 10).fix
    assert less is not None
    assert more is not None
    assert "max_rejected_share" in less
    assert "max_rejected_share" not in more


def test_a_broken_expectation_shows_the_columns_that_it_is_about(tmp_path: Path) -> None:
    answers = {
        "to": {
            "survey_response": {
                "response_id": "id",
                "question_id": "'q'",
                "metric_type": "'nps'",
                "rating_value": "rating",
                "responded_at": "day",
                "response_text": "day",
            }
        }
    }
    said = stopped(tmp_path, [{"rating": 12}, {"rating": -1}], **answers).message.splitlines()
    assert said[1:] == [
        'rating_within_scale of survey_response: "rating_value 12.0, worst_rating 0, best_rating 10", '
        '"rating_value -1.0, worst_rating 0, best_rating 10"'
    ]


CANARIES = ["ada.canary@example.org", "+34 600 111 222", "Canary Street 5"]


@pytest.mark.parametrize(
    "stream",
    [
        {"pii": ["day"], "in_clear": {"order_header.created_at": "the test"}},
        {"identifiers": {"email": "day"}},
        {},
    ],
    ids=["tagged", "an identifier", "nobody knows"],
)
def test_no_personal_value_is_shown_even_where_it_does_not_belong(
    tmp_path: Path, stream: dict[str, Any]
) -> None:
    problem = stopped(tmp_path, [{"day": canary} for canary in CANARIES], **stream)
    shown = f"{problem} {problem.fix}"
    for word in ("ada", "canary", "Canary", "example", "600 111", "600111", "Street"):
        assert word not in shown
    assert ("created_at: " in shown) == (stream == {})


@pytest.mark.parametrize(
    "stream",
    [
        {"pii": ["day"], "in_clear": {"order_header.created_at": "the test"}, "day": "raw.day"},
        {"identifiers": {"email": "day"}, "day": "raw.day"},
        {"identifiers": {"email": "raw.day"}, "day": "day"},
        {"pii": ["day"], "in_clear": {"order_header.created_at": "the test"}, "day": "to_json(raw)"},
    ],
    ids=["tagged", "an identifier", "an identifier by the relation", "the whole record"],
)
def test_a_personal_column_named_by_its_relation_is_not_shown(tmp_path: Path, stream: dict[str, Any]) -> None:
    columns = {**ORDERS["to"]["order_header"], "created_at": stream.pop("day")}
    problem = stopped(tmp_path, [{"day": "12 34 56"}], **stream, to={"order_header": columns})
    assert "created_at: " not in str(problem)
    assert "12 34" not in str(problem)


def test_the_items_of_a_personal_list_are_not_shown(tmp_path: Path) -> None:
    lines = {
        "for_each": "days",
        "order_id": "id",
        "line_no": "item_no",
        "line_total": "item",
    }
    stream = {"pii": ["days"], "in_clear": {"order_line.line_total": "the test"}, "to": {"order_line": lines}}
    problem = stopped(tmp_path, [{"days": ["12 34 56"]}], **stream)
    assert "line_total: " not in str(problem)
    assert "12 34" not in str(problem)


def test_the_books_hold_the_reason_and_no_value(tmp_path: Path) -> None:
    stopped(tmp_path, [{"day": "13.02.2026"}])
    bench = Bench(tmp_path, {"things": ORDERS})
    ((report,),) = bench.rows("load_run", "report")
    assert "cast of order_header.created_at 1" in report
    assert "13.02.2026" not in report


def test_a_dry_run_reveals_only_if_asked(tmp_path: Path) -> None:
    stream = {**ORDERS, "identifiers": {"email": "day"}, "path": "things.jsonl"}
    bench = Bench(tmp_path, {"things": stream})
    (tmp_path / "things.jsonl").write_text('{"id": 1, "day": "ada@example.org", "total": 1}\n')
    window = flow.scheduled_window(bench.settings, "shop", "things", datetime.now(UTC))
    masked = sources.try_first(bench.settings, "shop", "things", window, "scheduled")
    assert masked.examples == {}
    clear = sources.try_first(bench.settings, "shop", "things", window, "scheduled", reveal=True)
    assert clear.examples == {"cast of order_header.created_at": ["ada@example.org"]}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2025-05-11 09:55:16 -0400", "2025-05-11 09:55:16 -0400"),
        ("11 May 2025 09:55 PM UTC", "11 May 2025 09:55 PM UTC"),
        ("2025-05-11T09:55:16Z", "2025-05-11T09:55:16Z"),
        ("1.234,50 €", "1.234,50 €"),
        ("1.5e3", "1.5e3"),
        ("Ana Lopez, 12 Main Street", "xxx xxxxx, 12 xxxx xxxxxx"),
        ("ana@example.org", "xxx@xxxxxxx.xxx"),
        ("+34 600 111 222", "+99 999 999 999"),
        ("x" * 100, "x" * 60 + "…"),
        ("Ñandú", "xxxxx"),
    ],
)
def test_letters_that_no_time_has_are_masked(value: str, shown: str) -> None:
    assert examples.masked(value) == shown
