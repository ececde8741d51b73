"""Each canonical type: what fits, as what; what does not, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

COLUMNS = {
    "interaction": {
        "interaction_id": "id",
        "offered_at": "'2026-03-01T10:00:00Z'",
        "wait_seconds": "seconds",
        "transfer_count": "whole",
    },
    "order_header": {
        "order_id": "id",
        "created_at": "'2026-03-01T10:00:00Z'",
        "price_total": "money",
        "is_cancelled": "flag",
        "promised_at": "due",
    },
}
STREAM = {"primary_key": ["id"], "to": COLUMNS, "may_lack": ["seconds", "whole", "money", "flag", "due"]}


def one(conform: Callable[..., Any], raw: str, value: Any, table_column: str, **options: Any) -> Any:
    """What one raw value becomes, or the reject it makes: (rule, column, raw value)."""
    table, column = table_column.split(".")
    declaration = {**STREAM, **options.pop("stream", {})}
    with conform(declaration, [{"id": "1", raw: value}], **options) as scratch:
        if scratch.refused:
            return scratch.refused[0][1:]
        return scratch.column(f"SELECT {column} FROM {table}")[0]


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12.0), (" 12.5 ", 12.5), ("-3", -3.0), ("1e3", 1000.0), (".5", 0.5), ("+7", 7.0), (12.5, 12.5)],
)
def test_a_number_is_read_as_it_is_written(conform: Any, text: Any, number: float) -> None:
    assert one(conform, "seconds", text, "interaction.wait_seconds") == number


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "twelve", "1,5", "12 s", "0x1F", "1e999", " "])
def test_what_is_no_finite_number_is_refused_with_column_and_raw_value(conform: Any, text: str) -> None:
    refused = one(conform, "seconds", text, "interaction.wait_seconds")
    assert refused == ("cast", "interaction.wait_seconds", text)


@pytest.mark.parametrize(("text", "number"), [("3", 3), ("3.0", 3), ("1e3", 1000), ("-0", 0)])
def test_a_whole_number_is_read_however_it_is_written(conform: Any, text: str, number: int) -> None:
    assert one(conform, "whole", text, "interaction.transfer_count") == number


@pytest.mark.parametrize("text", ["3.7", "nan", "2147483648", "-", "1e300"])
def test_what_is_not_whole_or_too_big_is_never_rounded_or_cut(conform: Any, text: str) -> None:
    assert one(conform, "whole", text, "interaction.transfer_count") == (
        "cast",
        "interaction.transfer_count",
        text,
    )


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1.234,50", "1234.50"), ("1234,5", "1234.5"), ("-1.234.567", "-1234567"), ("0,07", "0.07"), ("12", "12")],
)
def test_a_decimal_comma_is_understood_where_it_is_declared(conform: Any, text: str, amount: str) -> None:
    found = one(conform, "money", text, "order_header.price_total", stream={"decimal": ","})
    assert found == Decimal(amount)


@pytest.mark.parametrize("text", ["12.5", "1.2345,6", "1,234.50", "1.23"])
def test_a_point_that_groups_nothing_is_refused_and_does_not_multiply_the_amount(
    conform: Any, text: str
) -> None:
    found = one(conform, "money", text, "order_header.price_total", stream={"decimal": ","})
    assert found == ("cast", "order_header.price_total", text)


def test_money_keeps_four_decimals_and_what_is_too_big_for_it_is_refused(conform: Any) -> None:
    assert one(conform, "money", "0.1", "order_header.price_total") == Decimal("0.1000")
    assert one(conform, "money", "99999999999999.9999", "order_header.price_total") == Decimal(
        "99999999999999.9999"
    )
    assert one(conform, "money", "100000000000000", "order_header.price_total")[0] == "cast"


@pytest.mark.parametrize(
    ("text", "flag"),
    [("yes", True), ("no", False), ("Y", True), ("n", False), ("1", True), ("0", False), (True, True), ("f", False)],
)
def test_the_usual_spellings_of_a_boolean_are_known(conform: Any, text: Any, flag: bool) -> None:
    assert one(conform, "flag", text, "order_header.is_cancelled") is flag


@pytest.mark.parametrize("text", ["J", "on", "sí", "2.5", ""])
def test_an_unknown_spelling_of_a_boolean_is_refused_not_false(conform: Any, text: str) -> None:
    assert one(conform, "flag", text, "order_header.is_cancelled") == ("cast", "order_header.is_cancelled", text)


def test_a_null_is_no_misfit_anywhere(conform: Any) -> None:
    with conform(STREAM, [{"id": "1", "seconds": None, "money": None, "flag": None, "due": None}]) as scratch:
        assert scratch.refused == []
        assert scratch.rows("SELECT price_total, is_cancelled, promised_at FROM order_header") == [(None,) * 3]


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-03-01T10:00:00Z", 10),
        ("2026-03-01T10:00:00+02:00", 8),
        ("2026-03-01T10:00:00+0200", 8),
        ("2026-03-01T10:00:00-03", 13),
        ("2026-03-01 10:00:00.250 UTC", 10),
        ("2026-03-01T10:00+01:00", 9),
        ("2026-03-01T10:00:00+02:00:00", 8),
    ],
)
def test_a_time_with_an_offset_needs_no_zone(conform: Any, text: str, hour: int) -> None:
    found = one(conform, "due", text, "order_header.promised_at")
    assert found.replace(microsecond=0) == datetime(2026, 3, 1, hour, tzinfo=UTC)


def test_a_time_without_a_zone_is_taken_in_the_streams_then_the_connections(conform: Any) -> None:
    naive = "2026-03-01 10:00:00"
    madrid, lima = {"timezone": "Europe/Madrid"}, {"timezone": "America/Lima"}
    at = "order_header.promised_at"
    assert one(conform, "due", naive, at, connection=madrid) == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert one(conform, "due", naive, at, connection=madrid, stream=lima) == datetime(2026, 3, 1, 15, tzinfo=UTC)
    assert one(conform, "due", naive, at) == ("zone_missing", at, naive)
    assert one(conform, "due", "soon", at) == ("cast", at, "soon")


def test_a_day_begins_at_midnight_of_its_zone(conform: Any) -> None:
    found = one(conform, "due", "2026-07-01", "order_header.promised_at", connection={"timezone": "Europe/Madrid"})
    assert found == datetime(2026, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-29 01:59:59", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        # 02:30 does not exist: it is moved forward to 03:30 summer time.
        ("2026-03-29 02:30:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-03-29 03:00:00", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        ("2026-10-25 01:59:59", datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
        # 02:30 happens twice: the second, in winter time, is taken.
        ("2026-10-25 02:30:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-10-25 03:00:00", datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
    ],
)
def test_the_hours_that_daylight_saving_skips_or_repeats(conform: Any, text: str, instant: datetime) -> None:
    zone = {"timezone": "Europe/Madrid"}
    assert one(conform, "due", text, "order_header.promised_at", connection=zone) == instant


@pytest.mark.parametrize(
    ("form", "text", "instant"),
    [
        ("epoch", "1772366400", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("epoch", "1772366400.5", datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        ("epoch_ms", 1772366400000, datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("%d/%m/%Y %H:%M", "01/03/2026 12:00", datetime(2026, 3, 1, 11, tzinfo=UTC)),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-03-01T12:00:00+0300", datetime(2026, 3, 1, 9, tzinfo=UTC)),
    ],
)
def test_declared_time_formats(conform: Any, form: str, text: Any, instant: datetime) -> None:
    options = {"stream": {"time_formats": [form]}, "connection": {"timezone": "Europe/Madrid"}}
    assert one(conform, "due", text, "order_header.promised_at", **options) == instant


def test_time_formats_are_tried_in_order_and_nothing_else_is(conform: Any) -> None:
    formats = {"time_formats": ["%d.%m.%Y", "iso"], "timezone": "UTC"}
    at = "order_header.promised_at"
    assert one(conform, "due", "02.03.2026", at, stream=formats) == datetime(2026, 3, 2, tzinfo=UTC)
    assert one(conform, "due", "2026-03-02", at, stream=formats) == datetime(2026, 3, 2, tzinfo=UTC)
    assert one(conform, "due", "1772366400", at, stream=formats) == ("cast", at, "1772366400")


@pytest.mark.parametrize("text", ["nan", "1e300", "-1e300", "", "tomorrow"])
def test_an_impossible_epoch_is_refused_and_does_not_stop_the_batch(conform: Any, text: str) -> None:
    found = one(conform, "due", text, "order_header.promised_at", stream={"time_formats": ["epoch"]})
    assert found == ("cast", "order_header.promised_at", text)


@pytest.mark.parametrize(
    "text", ["infinity", "-infinity", "epoch", "2026-02-30", "2026-03-01T25:00:00", "03/01/2026", "10:00", " "]
)
def test_what_is_no_time_is_refused(conform: Any, text: str) -> None:
    found = one(conform, "due", text, "order_header.promised_at", connection={"timezone": "UTC"})
    assert found == ("cast", "order_header.promised_at", text)


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("ms"), pa.timestamp("s"), pa.date32()])
def test_typed_times_of_any_precision_need_no_format(conform: Any, kind: pa.DataType) -> None:
    day = datetime(2026, 3, 1)  # noqa: DTZ001  without a zone is what is tested
    table = pa.table({"id": ["1"], "due": pa.array([day], kind)})
    declaration = {**STREAM, "time_formats": ["%d/%m/%Y"], "timezone": "Europe/Madrid"}
    with conform(declaration, [], arrow=_with_absent(table)) as scratch:
        assert scratch.refused == []
        assert scratch.column("SELECT promised_at FROM order_header") == [
            datetime(2026, 2, 28, 23, tzinfo=UTC)
        ]


def test_typed_columns_keep_their_values(conform: Any) -> None:
    table = pa.table(
        {
            "id": pa.array([7], pa.int64()),
            "seconds": pa.array([float("nan")], pa.float64()),
            "whole": pa.array([4.0], pa.float64()),
            "money": pa.array([Decimal("12.3400")], pa.decimal128(18, 4)),
            "flag": pa.array([True]),
            "due": pa.array([datetime(2026, 3, 1, 9, tzinfo=UTC)], pa.timestamp("us", tz="Europe/Madrid")),
        }
    )
    with conform(STREAM, [], arrow=table) as scratch:
        assert scratch.refused == [(1, "cast", "interaction.wait_seconds", "nan")]
        assert scratch.rows("SELECT order_id, price_total, is_cancelled, promised_at FROM order_header") == [
            ("shop:7", Decimal("12.3400"), True, datetime(2026, 3, 1, 9, tzinfo=UTC))
        ]
        assert scratch.column("SELECT transfer_count FROM interaction") == [4]


def _with_absent(table: pa.Table) -> pa.Table:
    for name in ("seconds", "whole", "money", "flag"):
        table = table.append_column(name, pa.array([None], pa.string()))
    return table
