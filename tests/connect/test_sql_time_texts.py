"""Times as text in a cursor: either all of them sort by time, or the stream stops and says why. None is passed over."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
from sql_source import KINDS, Shop

from cxflow.errors import ConfigError
from cxflow.model.reading import Query
from cxflow.model.window import Window

TEXT = dict.fromkeys(KINDS, "text")
MADRID = {"connection": {"timezone": "Europe/Madrid"}}
KEYSET = ["updated_at", "id"]


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, postgresql: Callable[[], str]) -> Shop:
    return Shop(request.param, tmp_path, postgresql)


def refusal(shop: Shop, *values: str) -> ConfigError:
    """What a run says of a column of these texts."""
    shop.orders(*enumerate(values, start=1), of=TEXT)
    with pytest.raises(ConfigError) as raised:
        read(shop, None, timezone="Europe/Madrid")
    assert raised.value.place == "shop.orders"
    assert "'updated_at'" in raised.value.message
    assert raised.value.value == "updated_at"
    return raised.value


FORMS = [
    ("2026-01-01T10:00:00", "2026-01-01 13:00:00"),
    ("2026-01-01T10:00:00+00:00", "2026-01-01T08:00:00-05:00"),
    ("2026-01-01T10:00:00+00:00", "2026-01-01T08:00:00+02:00"),
    ("2026-01-01T10:00:00Z", "2026-01-01T13:00:00"),
    ("2026-01-01T10:00:00Z", "2026-01-01 13:00:00Z"),
    ("2026-01-01 10:00:00", "2026-01-01"),
    ("2026-01-01 10:00:00", "2026-01-01 13:00:00,5"),
    ("2026-01-01 10:00:00", "2026-01-01 130000"),
    ("2026-01-01 10:00:00", "20260101T130000"),
    ("2026-01-01 10:00:00", " 2026-01-01 13:00:00"),
    ("2026-01-01 10:00:00", "01.01.2026 13:00"),
    ("2026-01-01 10:00:00", ""),
]


@pytest.mark.parametrize("values", FORMS)
def test_times_in_several_forms_are_refused_whichever_comes_first(
    shop: Shop, values: tuple[str, str]
) -> None:
    for order in (values, values[::-1]):
        said = refusal(shop, *order)
        shop.execute("DROP TABLE orders")
        for value in values:
            assert repr(re.sub(r"\d", "9", value)) in said.message
        assert "2026" not in str(said)


def test_an_offset_that_all_times_have_is_refused_too(shop: Shop) -> None:
    """When clocks are changed, so will the offset be."""
    said = refusal(shop, "2026-01-01T10:00:00-05:00", "2026-01-01T11:00:00-05:00")
    assert "'9999-99-99T99:99:99-99:99' has an offset from UTC" in said.message


@pytest.mark.parametrize("value", ["0000-00-00 00:00:00", "2026-13-01 10:00:00", "2026-01-01 24:00:00"])
def test_digits_that_are_no_time_are_refused(shop: Shop, value: str) -> None:
    said = refusal(shop, "2026-01-01 10:00:00", value)
    assert "holds values that are no time" in said.message


def test_a_text_that_is_no_time_is_not_shown(shop: Shop) -> None:
    said = refusal(shop, "2026-01-01 10:00:00", "ada77@example.org")
    assert "'xxx99xxxxxxxx.xxx'" in said.message
    assert 'cursor_type = "key"' in str(said)


def test_a_form_that_arrives_later_is_noticed_though_no_window_holds_it(shop: Shop) -> None:
    shop.orders((1, "2026-01-01T10:00:00"), (2, "2026-01-01T11:00:00"), of=TEXT)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert shop.land(cursor=KEYSET, end=noon, **MADRID).ids == [1, 2]
    shop.add((3, "2026-01-01 13:30:00"))
    with pytest.raises(ConfigError, match="in several forms"):
        shop.land(cursor=KEYSET, start=noon, end=noon + timedelta(hours=1), **MADRID)


@pytest.mark.parametrize(
    "values",
    [("2026-01-01T10:00:00+01:00", "2026-01-01 08:30:00Z"), ("2026-01-01T10:00", "2026-01-01 09:30:00")],
)
def test_the_query_that_the_refusal_suggests_reads_every_row_by_its_time(
    shop: Shop, values: tuple[str, str]
) -> None:
    """Of the first two, 09:00 and 08:30 UTC, the later one sorts last as text, too; but the window tells."""
    said = refusal(shop, *values)
    assert said.fix is not None
    suggested = said.fix[said.fix.index("SELECT") :].partition(";")[0]
    zone = {"connection": {"timezone": "UTC"}}
    half = {"T10:00:00+01:00": (8, 45), "T10:00": (9, 45)}[values[0][10:]]
    edge = datetime(2026, 1, 1, *half, tzinfo=UTC)
    before = shop.land(query=suggested, cursor="changed_at", end=edge, **zone)
    after = shop.land(query=suggested, cursor="changed_at", start=edge, **zone)
    assert (before.ids, after.ids) == ([2], [1])


SECOND = [
    f"2026-01-01 10:00:0{second}{fraction}"
    for second in (0, 1)
    for fraction in ("", ".0", ".05", ".5", ".50", ".999")
]
TEN = datetime(2026, 1, 1, 10, tzinfo=UTC)
EDGES = [
    TEN + timedelta(milliseconds=each) for each in (-0.001, 0, 1, 50, 60, 500, 999, 1000, 1050, 1999, 2000)
]
EDGES += [TEN + timedelta(minutes=1), TEN + timedelta(minutes=2)]


def read(shop: Shop, start: datetime | None, end: datetime | None = None, **stream: Any) -> list[int]:
    """The rows of a window, by id, past the landing zone."""
    connector = shop.connector(cursor=KEYSET, **stream)
    reading = connector.read(connector.stream("orders"), Window(start, end or datetime.now(UTC)), None)
    found = [
        item.database.sql(f"SELECT id FROM ({item.sql})").fetchall()
        for item in reading
        if isinstance(item, Query)
    ]
    return sorted(row for (row,) in chain(*found))


def test_times_without_a_zone_sort_whatever_their_precision(shop: Shop) -> None:
    values = ["2026-01-01 10:00", *SECOND, "2026-01-01 10:01", "2026-01-01 10:01:00"]
    shop.orders(*enumerate(values), of=TEXT)
    times = [datetime.fromisoformat(value) for value in values]
    for start, end in pairwise(EDGES):
        there = [row for row, time in enumerate(times) if start <= time.replace(tzinfo=UTC) < end]
        assert read(shop, start, end, timezone="UTC") == there


def test_times_in_utc_may_be_read_a_window_later_but_never_lost(shop: Shop) -> None:
    zones = ("Z", "+00:00", "-00:00", "+0000", "+00")
    values = [value + zone for value in ["2026-01-01 10:00", *SECOND, "2026-01-01 10:01"] for zone in zones]
    shop.orders(*enumerate(values), of=TEXT)
    found = [read(shop, start, end) for start, end in pairwise(EDGES)]
    assert sorted(row for rows in found for row in rows) == list(range(len(values))), "each in one window"
    for rows, (start, end) in zip(found, pairwise(EDGES), strict=True):
        for row in rows:
            time = datetime.fromisoformat(values[row])
            assert time < end, "never before its time: a run would have passed over it"
            assert time >= start - timedelta(minutes=1)


def test_days_sort(shop: Shop) -> None:
    shop.orders((1, "2026-01-01"), (2, "2026-01-02"), of=TEXT)
    second = datetime(2026, 1, 2, tzinfo=UTC)
    utc = {"connection": {"timezone": "UTC"}}
    assert shop.land(cursor=KEYSET, end=second, **utc).ids == [1]
    assert shop.land(cursor=KEYSET, start=second, end=second + timedelta(days=1), **utc).ids == [2]


def test_a_column_of_padded_texts_is_one_of_times(tmp_path: Path, postgresql: Callable[[], str]) -> None:
    shop = Shop("postgresql", tmp_path, postgresql)
    shop.orders((1, "2026-01-01 10:00:00"), (2, "2026-01-01 11:00:00"), of={"postgresql": "char(30)"})
    edge = datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert shop.land(cursor=KEYSET, end=edge, connection={"timezone": "UTC"}).ids == [1]


@pytest.mark.parametrize(
    "values", [("a1", "a2"), ("2026-01-01-000123", "2026-01-01-000124"), ("7c-2026", "9")]
)
def test_texts_of_which_none_is_a_time_are_keys(shop: Shop, values: tuple[str, str]) -> None:
    shop.orders(*enumerate(values, start=1), of=TEXT)
    landed = shop.land(last={}, cursor="updated_at")
    assert landed.cursor == {"column": "updated_at", "after": values[1]}


def test_declared_keys_may_look_like_times(shop: Shop) -> None:
    shop.orders((1, "2026-01-01"), (2, "2026-01-01 10:00"), (3, "a"), of=TEXT)
    assert shop.land(last={}, cursor="updated_at", cursor_type="key").ids == [1, 2, 3]


def test_a_number_in_text_is_no_time_since_1970(shop: Shop) -> None:
    shop.orders((1, "1767261600"), of=TEXT)
    with pytest.raises(ConfigError, match="is text, and cursor_type 'epoch' needs a number"):
        shop.land(cursor="updated_at", cursor_type="epoch")


@pytest.mark.parametrize("cursor_type", ["epoch", "key", "time", None])
@pytest.mark.parametrize("values", ["(1, 5), (2, '6')", "(1, '2026-01-01 10:00'), (2, 1767261600.5)"])
def test_a_column_of_sqlite_with_texts_beside_numbers_is_refused(
    tmp_path: Path, cursor_type: str | None, values: str
) -> None:
    """All numbers sort before all texts there."""
    shop = Shop("sqlite", tmp_path, None)
    shop.execute("CREATE TABLE orders (id, updated_at)", f"INSERT INTO orders VALUES {values}")
    declared = {"cursor_type": cursor_type} if cursor_type else {}
    with pytest.raises(ConfigError, match="holds numbers and texts, which do not sort"):
        shop.land(cursor="updated_at", **declared, **MADRID)
