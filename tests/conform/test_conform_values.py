"""Values that are not what they seem: in the right value or a refusal, never in another value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from trip_bench import conformed

from cxflow.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read(
    settings: Settings, folder: Path, column: str, value: Any, **stream: Any
) -> tuple[Any, tuple[str, str] | None]:
    """The value of an order's column, and the rule and value of its refusal."""
    columns = {"order_id": "id", "created_at": "TIMESTAMPTZ '2026-03-01 10:00:00Z'", column: "value"}
    declaration = {"primary_key": ["id"], "to": {"order_header": columns}, **stream}
    with conformed(settings, folder, declaration, [{"id": "1", "value": value}]) as scratch:
        rows = scratch.rows(f"SELECT {column} FROM order_header")
        refused = scratch.rows("SELECT rule, raw_value FROM refused")
    return rows[0][0] if rows else None, refused[0] if refused else None


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (12.345, "12.345"),
        (0.125, "0.125"),
        (-1.5, "-1.5"),
        (7, "7"),
        (1.5e3, "1500"),
        ("12,345", "12.345"),
        ("1.234,5", "1234.5"),
        ("1.234", "1234"),
    ],
)
def test_a_number_of_json_was_never_a_text_with_a_decimal_comma(
    settings: Settings, tmp_path: Path, value: Any, amount: str
) -> None:
    assert read(settings, tmp_path, "price_total", value, decimal=",") == (Decimal(amount), None)


def test_a_text_with_a_number_in_it_stays_as_it_is(settings: Settings, tmp_path: Path) -> None:
    assert read(settings, tmp_path, "status", 'paid 12.5 "x" 1.5', decimal=",") == ('paid 12.5 "x" 1.5', None)


@pytest.mark.parametrize("value", ["1_000", "1_000.5", "0x10", "1 000", "nan", "inf", "12,5", ""])
def test_what_is_no_number_is_refused(settings: Settings, tmp_path: Path, value: str) -> None:
    assert read(settings, tmp_path, "price_total", value) == (None, ("cast", value))


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("1.2345", "1.2345"),
        ("1.234500", "1.2345"),
        ("10", "10"),
        (0.1 + 0.2, "0.3"),  # 0.30000000000000004
        (1.1 * 3, "3.3"),  # 3.3000000000000003
        ("99999999999999", "99999999999999"),
        ("-0.0001", "-0.0001"),
    ],
)
def test_amounts_that_their_column_keeps(settings: Settings, tmp_path: Path, value: Any, amount: str) -> None:
    assert read(settings, tmp_path, "price_total", value) == (Decimal(amount), None)


@pytest.mark.parametrize("value", ["1.23456", "0.00001", "-3.00005", "123456789.00001"])
def test_amounts_with_more_decimals_are_refused_and_not_rounded(
    settings: Settings, tmp_path: Path, value: str
) -> None:
    assert read(settings, tmp_path, "price_total", value) == (None, ("decimals", value))


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01 08:00:00 -0400",
        "2026-03-01T08:00:00-0400",
        "2026-03-01 08:00:00-04",
        "2026-03-01 12:00:00 GMT",
        "2026-03-01 12:00:00 UTC",
        "2026-03-01 17:30:00 +05:30",
        "2026-03-01T12:00:00.000 Z",
        "2026-03-01 12:00+00",
    ],
)
def test_offsets_in_every_usual_spelling_are_iso_enough(
    settings: Settings, tmp_path: Path, text: str
) -> None:
    assert read(settings, tmp_path, "approved_at", text) == (NOON, None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("01.03.2026 12:00", NOON),
        ("2026-03-01T12:00:00", NOON),  # as a spreadsheet's own date lands
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01T14:00:00+02:00", NOON),
        ("2026-03-01 12:00:00", None),
        ("2026-03-01", None),
    ],
)
def test_a_typed_time_is_one_whatever_the_formats_of_texts(
    settings: Settings, tmp_path: Path, text: str, found: datetime | None
) -> None:
    formats = {"time_formats": ["%d.%m.%Y %H:%M"], "timezone": "UTC"}
    assert read(settings, tmp_path, "approved_at", text, **formats)[0] == found


def test_a_declared_format_says_what_a_text_means(settings: Settings, tmp_path: Path) -> None:
    formats = {"time_formats": ["%Y-%d-%mT%H:%M:%S"], "timezone": "UTC"}
    assert read(settings, tmp_path, "approved_at", "2026-01-03T12:00:00", **formats)[0] == NOON


def test_a_format_with_the_day_before_the_month_is_not_helped_out(settings: Settings, tmp_path: Path) -> None:
    formats = {"time_formats": ["%Y-%d-%mT%H:%M:%S"], "timezone": "UTC"}
    assert read(settings, tmp_path, "approved_at", "2026-03-15T12:00:00", **formats)[0] is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("yes", True),
        ("N", False),
        ("1", True),
        (1, True),
        (0, False),
        ("2", None),
        ("on", None),
        ("maybe", None),
    ],
)
def test_what_is_yes_and_no(settings: Settings, tmp_path: Path, value: Any, found: bool | None) -> None:
    assert read(settings, tmp_path, "is_cancelled", value)[0] is found


def test_a_number_is_yes_or_no_only_if_it_is_one_or_zero(settings: Settings, tmp_path: Path) -> None:
    columns = {"order_id": "id", "created_at": "'2026-03-01T10:00:00Z'", "is_cancelled": "value::integer"}
    declaration = {"primary_key": ["id"], "to": {"order_header": columns}}
    records = [{"id": str(number), "value": str(number)} for number in (0, 1, 2)]
    with conformed(settings, tmp_path, declaration, records) as scratch:
        rows = scratch.rows("SELECT order_id, is_cancelled FROM order_header ANTI JOIN refused USING (_row)")
        assert sorted(rows) == [("shop:0", False), ("shop:1", True)]
        assert scratch.rows("SELECT rule, raw_value FROM refused") == [("cast", "2")]
