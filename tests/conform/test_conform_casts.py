"""Each canonical type: what fits, as what; what does not, and how it says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from cxflow.errors import ConfigError

OFFERED = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"
WAIT = {"interaction": {"interaction_id": "id", "offered_at": OFFERED, "wait_seconds": "x"}}
TRANSFERS = {"interaction": {"interaction_id": "id", "offered_at": OFFERED, "transfer_count": "x"}}
PRICE = {"order_header": {"order_id": "id", "created_at": OFFERED, "price_total": "x"}}
CANCELLED = {"order_header": {"order_id": "id", "created_at": OFFERED, "is_cancelled": "x"}}
PROMISED = {"order_header": {"order_id": "id", "created_at": OFFERED, "promised_at": "x"}}


def outcomes(
    conform: Any, to: dict[str, Any], values: Sequence[Any], *, zone: str | None = None, **stream: Any
) -> list[Any]:
    """What each raw value of `x` becomes, or the reject that it makes: (rule, column, raw value)."""
    (table, columns), *_ = to.items()
    column = list(columns)[-1]
    records = [{"id": number, "x": value} for number, value in enumerate(values, start=1)]
    declaration = {"primary_key": ["id"], "to": to, **stream}
    with conform(declaration, records, connection={"timezone": zone}) as scratch:
        found = dict(scratch.rows(f"SELECT _row, {column} FROM {table}"))
        found |= {row: tuple(reject) for row, *reject in scratch.refused}
    return [found[number] for number in range(1, len(values) + 1)]


def misfits(column: str, values: Sequence[str], rule: str = "cast") -> list[tuple[str, str, str]]:
    return [(rule, column, value) for value in values]


def test_a_number_is_read_as_it_is_written(conform: Any) -> None:
    written = ["12", " 12.5 ", "-3", "1e3", ".5", "+7", 12.5, 7, None]
    assert outcomes(conform, WAIT, written) == [12.0, 12.5, -3.0, 1000.0, 0.5, 7.0, 12.5, 7.0, None]


def test_what_is_no_finite_number_is_refused_with_column_and_raw_value(conform: Any) -> None:
    written = ["nan", "inf", "-Infinity", "twelve", "1,5", "12 s", "0x1F", "1e999", " ", ""]
    assert outcomes(conform, WAIT, written) == misfits("interaction.wait_seconds", written)


def test_a_whole_number_is_read_however_it_is_written(conform: Any) -> None:
    assert outcomes(conform, TRANSFERS, ["3", "3.0", "1e3", "-0", 4, None]) == [3, 3, 1000, 0, 4, None]


def test_what_is_not_whole_or_too_big_is_never_rounded_or_cut(conform: Any) -> None:
    written = ["3.7", "nan", "2147483648", "-", "1e300"]
    assert outcomes(conform, TRANSFERS, written) == misfits("interaction.transfer_count", written)


def test_a_decimal_comma_is_understood_where_it_is_declared(conform: Any) -> None:
    written = ["1.234,50", "1234,5", "-1.234.567", "0,07", "12"]
    amounts = [Decimal(amount) for amount in ("1234.50", "1234.5", "-1234567", "0.07", "12")]
    assert outcomes(conform, PRICE, written, decimal=",") == amounts


def test_a_point_that_groups_nothing_is_refused_and_does_not_multiply_the_amount(conform: Any) -> None:
    written = ["12.5", "1.2345,6", "1,234.50", "1.23", "1234.567"]
    assert outcomes(conform, PRICE, written, decimal=",") == misfits("order_header.price_total", written)


def test_money_keeps_four_decimals_and_what_is_too_big_for_it_is_refused(conform: Any) -> None:
    written = ["0.1", "99999999999999.9999", "100000000000000", "1 234.50", "€ 12"]
    assert outcomes(conform, PRICE, written) == [
        Decimal("0.1000"),
        Decimal("99999999999999.9999"),
        *misfits("order_header.price_total", written[2:]),
    ]


def test_the_usual_spellings_of_a_boolean_are_known(conform: Any) -> None:
    written = ["yes", "no", "Y", "n", "1", "0", True, "f", " TRUE ", None]
    read = [True, False, True, False, True, False, True, False, True, None]
    assert outcomes(conform, CANCELLED, written) == read


def test_an_unknown_spelling_of_a_boolean_is_refused_not_false(conform: Any) -> None:
    written = ["J", "on", "sí", "2.5", ""]
    assert outcomes(conform, CANCELLED, written) == misfits("order_header.is_cancelled", written)


def test_a_time_with_an_offset_needs_no_zone(conform: Any) -> None:
    hours = {
        "2026-03-01T10:00:00Z": 10,
        "2026-03-01T10:00:00+02:00": 8,
        "2026-03-01T10:00:00+0200": 8,
        "2026-03-01T10:00:00-03": 13,
        "2026-03-01 10:00:00.000 UTC": 10,
        "2026-03-01T10:00+01:00": 9,
        "2026-03-01T10:00Z": 10,
        "2026-03-01 10:00 -0330": 13.5,
        "2026-03-01T10:00:00+02:00:00": 8,
        "2026-03-01t10:00:00z": 10,
        "2026-03-01t10:00:00Z": 10,
        "2026-03-01T10:00:00z": 10,
        "2026-03-01t10:00:00.5z": 10 + 0.5 / 3600,
        "2026-03-01t10:00z": 10,
        "2026-03-01 10:00:00 +0530": 4.5,
        "2026-03-01 10:00:00.000 +05:30": 4.5,
        "2026-03-01T10:00:00utc": 10,
        "2026-03-01T10:00:00 gmt": 10,
        "2026-03-01T23:00:00+14:00": 9,
        "2026-03-01T00:00:00-12:00": 12,
        "2026-03-01T15:56:00+15:56": 0,
        "2026-03-01T10:00:00-00:00": 10,
    }
    instants = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in hours.values()]
    assert outcomes(conform, PROMISED, list(hours)) == instants
    assert outcomes(conform, PROMISED, list(hours), zone="America/Lima") == instants


IMPOSSIBLE_OFFSETS = [
    "2026-03-01T10:00:00+99:99",
    "2026-03-01T10:00:00-99:99",
    "2026-03-01 10:00:00 +99:99",
    "2026-03-01T10:00+9999",
    "2026-03-01T10:00:00+24:00",
    "2026-03-01T10:00:00-24:00",
    "2026-03-01T10:00:00+16:00",
    "2026-03-01T10:00:00-16",
    "2026-03-01T10:00:00+05:60",
    "2026-03-01T10:00:00-05:30:60",
    "2026-03-01T10:00:00-5",
    "2026-03-01T10:00:00-053",
    "2026-03-01t10:00:00zz",
]


@pytest.mark.parametrize("zone", [None, "Europe/Madrid"])
@pytest.mark.parametrize("how", ["csv", "json"])
def test_an_offset_that_no_place_has_is_refused_and_never_added(
    conform: Any, how: str, zone: str | None
) -> None:
    refused = misfits("order_header.promised_at", IMPOSSIBLE_OFFSETS)
    if how == "json":
        assert outcomes(conform, PROMISED, IMPOSSIBLE_OFFSETS, zone=zone) == refused
        return
    table = pa.table({"id": [str(number) for number in range(13)], "x": IMPOSSIBLE_OFFSETS})
    declaration = {"primary_key": ["id"], "to": PROMISED}
    with conform(declaration, [], arrow=table, connection={"timezone": zone}) as scratch:
        assert [tuple(reject) for _, *reject in sorted(scratch.refused)] == refused


def test_an_offset_that_no_place_has_is_refused_in_a_declared_format_too(conform: Any) -> None:
    formats = ["%d-%m-%Y %H:%M:%S %z", "%Y.%m.%dT%H:%M%z", "%z %H:%M %d-%m-%Y"]
    written = ["01-03-2026 10:00:00 +99:99", "2026.03.01T10:00+2400", "-05:60 10:00 01-03-2026"]
    refused = misfits("order_header.promised_at", written)
    assert outcomes(conform, PROMISED, written, time_formats=formats) == refused
    right = ["01-03-2026 10:00:00 +14:00", "2026.03.01T10:00-0530", "+02 10:00 01-03-2026"]
    read = [
        datetime(2026, 2, 28, 20, tzinfo=UTC),
        datetime(2026, 3, 1, 15, 30, tzinfo=UTC),
        datetime(2026, 3, 1, 8, tzinfo=UTC),
    ]
    assert outcomes(conform, PROMISED, right, time_formats=formats) == read


def test_a_time_without_a_zone_is_taken_in_the_streams_then_the_connections(conform: Any) -> None:
    naive = ["2026-03-01 10:00:00"]
    assert outcomes(conform, PROMISED, naive, zone="Europe/Madrid") == [datetime(2026, 3, 1, 9, tzinfo=UTC)]
    lima = outcomes(conform, PROMISED, naive, zone="Europe/Madrid", timezone="America/Lima")
    assert lima == [datetime(2026, 3, 1, 15, tzinfo=UTC)]


def test_a_time_without_any_zone_breaks_its_own_rule(conform: Any) -> None:
    at = "order_header.promised_at"
    written = ["2026-03-01 10:00:00", "2026-03-01", "soon"]
    assert outcomes(conform, PROMISED, written) == [
        *misfits(at, written[:2], "zone_missing"),
        ("cast", at, "soon"),
    ]


def test_a_day_begins_at_midnight_of_its_zone(conform: Any) -> None:
    found = outcomes(conform, PROMISED, ["2026-07-01"], zone="Europe/Madrid")
    assert found == [datetime(2026, 6, 30, 22, tzinfo=UTC)]


def test_of_the_hours_around_daylight_saving_the_skipped_moves_forward_and_of_the_double_the_second_is_taken(
    conform: Any,
) -> None:
    instants = {
        "2026-03-29 01:59:59": datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC),
        "2026-03-29 02:30:00": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),  # there is none; 03:30 summer time
        "2026-03-29 03:00:00": datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        "2026-10-25 01:59:59": datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC),
        "2026-10-25 02:30:00": datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # twice; the one in winter time
        "2026-10-25 03:00:00": datetime(2026, 10, 25, 2, 0, tzinfo=UTC),
    }
    assert outcomes(conform, PROMISED, list(instants), zone="Europe/Madrid") == list(instants.values())


@pytest.mark.parametrize(
    ("form", "text", "instant"),
    [
        ("epoch", "1772366400.5", datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        ("epoch_ms", 1772366400000, datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("%d/%m/%Y %H:%M", "01/03/2026 12:00", datetime(2026, 3, 1, 11, tzinfo=UTC)),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-03-01T12:00:00+0300", datetime(2026, 3, 1, 9, tzinfo=UTC)),
        ("%Y-%m-%d %H:%M %Z", "2026-07-01 12:00 America/Lima", datetime(2026, 7, 1, 17, tzinfo=UTC)),
    ],
)
def test_declared_time_formats(conform: Any, form: str, text: Any, instant: datetime) -> None:
    assert outcomes(conform, PROMISED, [text], zone="Europe/Madrid", time_formats=[form]) == [instant]


def test_time_formats_are_tried_in_order_and_nothing_else_is(conform: Any) -> None:
    written = ["02.03.2026", "2026-03-02", "1772366400"]
    assert outcomes(conform, PROMISED, written, zone="UTC", time_formats=["%d.%m.%Y", "iso"]) == [
        datetime(2026, 3, 2, tzinfo=UTC),
        datetime(2026, 3, 2, tzinfo=UTC),
        ("cast", "order_header.promised_at", "1772366400"),
    ]


def test_an_impossible_epoch_is_refused_and_does_not_stop_the_batch(conform: Any) -> None:
    written = ["nan", "1e300", "-1e300", "", "tomorrow", "1772366400"]
    *refused, read = outcomes(conform, PROMISED, written, time_formats=["epoch", "epoch_ms"])
    assert refused == misfits("order_header.promised_at", written[:-1])
    assert read == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_what_is_no_time_is_refused(conform: Any) -> None:
    written = [
        "infinity",
        "-infinity",
        "epoch",
        "2026-02-30",
        "2026-03-01T25:00:00",
        "03/01/2026",
        "10:00",
        " ",
    ]
    assert outcomes(conform, PROMISED, written, zone="UTC") == misfits("order_header.promised_at", written)


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("ms"), pa.timestamp("s"), pa.date32()])
def test_typed_times_of_any_precision_need_no_format(conform: Any, kind: pa.DataType) -> None:
    day = datetime(2026, 3, 1)  # noqa: DTZ001  without a zone is what is tested
    table = pa.table({"id": ["1"], "x": pa.array([day], kind)})
    declaration = {"primary_key": ["id"], "to": PROMISED, "time_formats": ["%d/%m/%Y"]}
    with conform(declaration, [], arrow=table, connection={"timezone": "Europe/Madrid"}) as scratch:
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
            "due": pa.array([datetime(2026, 3, 1, 9, tzinfo=UTC)], pa.timestamp("us", tz="Europe/Madrid")),
        }
    )
    to = {
        "order_header": {**PRICE["order_header"], "price_total": "money", "promised_at": "due"},
        "interaction": {**WAIT["interaction"], "wait_seconds": "seconds", "transfer_count": "whole"},
    }
    with conform({"primary_key": ["id"], "to": to}, [], arrow=table) as scratch:
        assert scratch.refused == [(1, "cast", "interaction.wait_seconds", "nan")]
        assert scratch.rows("SELECT order_id, price_total, promised_at FROM order_header") == [
            ("shop:7", Decimal("12.3400"), datetime(2026, 3, 1, 9, tzinfo=UTC))
        ]
        assert scratch.column("SELECT transfer_count FROM interaction") == [4]


@pytest.mark.parametrize(
    ("forms", "why"),
    [
        (["%d/%m/%Y", "%m/%d/%Y"], "read '03/02/2026' as different times"),
        (["iso", "%Y-%d-%m"], "read '2026-03-02' as different times"),
        (["%d/%m/%y", "%y/%m/%d"], "read '03/02/26' as different times"),
        (["%d/%m/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M"], "read '03/02/2026 04:05' as different times"),
        (["%Y-%m-%d %I:%M"], "does not say of which half"),
        (["%Y-%m-%d %-I:%M"], "does not say of which half"),
    ],
)
def test_formats_that_cannot_be_right_are_refused(conform: Any, forms: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        outcomes(conform, PROMISED, ["x"], zone="UTC", time_formats=forms)


@pytest.mark.parametrize(
    "forms",
    [
        ["%d/%m/%Y", "%d/%m/%Y %H:%M", "%d.%m.%Y", "iso", "epoch"],
        ["%Y-%m-%d %I:%M %p", "%Y-%m-%d %H:%M"],
        ["%d %B %Y", "%d %b %Y"],
        ["%Y%m%d", "%Y%m%d%H%M%S"],
    ],
)
def test_formats_that_agree_are_accepted(conform: Any, forms: list[str]) -> None:
    assert outcomes(conform, PROMISED, [None], zone="UTC", time_formats=forms) == [None]
