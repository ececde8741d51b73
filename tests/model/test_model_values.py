"""The values that cross stages."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from cxflow.duck import identifier, literal, literals
from cxflow.errors import (
    AccountingError,
    ConfigError,
    CountError,
    CxflowError,
    FatalError,
    GateClosedError,
    SourceError,
    TransientError,
    WarehouseBusyError,
)
from cxflow.model.activities import ACTIVITIES, SUPPORT_ACTIVITIES
from cxflow.model.batch import BatchRef, Counts
from cxflow.model.currencies import CURRENCIES
from cxflow.model.expectation import Expectation
from cxflow.model.names import known_zone, nearest
from cxflow.model.schedule import known_schedule
from cxflow.model.stream import Policies, Projection, Stream
from cxflow.model.window import Window

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = Window(NOON, NOON + HOUR)
    assert NOON in window
    assert NOON + HOUR not in window
    assert NOON + HOUR - timedelta(microseconds=1) in window
    assert NOON - timedelta(microseconds=1) not in window
    assert datetime.min.replace(tzinfo=UTC) in Window(None, NOON)


def test_a_window_compares_instants_whatever_their_zone() -> None:
    madrid = datetime.fromisoformat("2026-03-02T13:30:00+01:00")
    window = Window(datetime.fromisoformat("2026-03-02T13:00:00+01:00"), NOON + HOUR)
    assert madrid in window
    assert str(window) == "[2026-03-02T12:00:00+00:00, 2026-03-02T13:00:00+00:00)"
    assert window == Window(NOON, NOON + HOUR)


@pytest.mark.parametrize("start", [NOON, NOON + HOUR])
def test_an_empty_window_is_refused(start: datetime) -> None:
    with pytest.raises(ConfigError, match=r"is empty .*its start must be before its end"):
        Window(start, NOON)


def test_a_window_needs_zones() -> None:
    naive = datetime(2026, 3, 2)  # noqa: DTZ001  a time without a zone is what is tested
    for edges in ((naive, NOON), (None, naive)):
        with pytest.raises(ConfigError, match="a window needs times with a zone, not 2026-03-02T00:00:00"):
            Window(*edges)


@pytest.mark.parametrize("year", [1, 1799, 9999])
def test_a_window_stays_within_the_calendar(year: int) -> None:
    """Or a look-back, or the clock of another zone, would lead out of it."""
    edge = datetime(year, 6, 1, tzinfo=UTC)
    with pytest.raises(ConfigError, match="between the years 1800 and 9998, not at "):
        Window(None, edge)


@pytest.mark.parametrize("window", [Window(NOON, NOON + HOUR), Window(None, NOON)])
def test_a_window_survives_json(window: Window) -> None:
    assert Window.from_json(window.as_json()) == window


def test_a_window_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="a window needs an end"):
        Window.from_json({"start": None, "end": None})


def test_a_reference_to_a_batch_survives_json_and_names_its_folder() -> None:
    batch = BatchRef("shop", "reviews", "20260302", "backfill")
    assert BatchRef.from_json(batch.as_json()) == batch
    assert batch.path == "shop/reviews/20260302"
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.stream = "orders"  # type: ignore[misc]


def test_the_books_balance_only_when_every_record_is_in_one_column() -> None:
    counts = Counts(21, inserted=1, updated=2, unchanged=3, deleted=4, deduplicated=5, quarantined=6)
    assert counts.balanced
    assert Counts().balanced
    for name in ("extracted", "inserted", "quarantined"):
        assert not dataclasses.replace(counts, **{name: 0}).balanced
    assert (counts + counts) == Counts(42, 2, 4, 6, 8, 10, 12)


DECLARED: dict[str, Any] = {"primary_key": ["id"], "to": {"review": {"review_id": "id"}}}


def test_a_mapping_in_its_short_form_is_the_long_one() -> None:
    short = {"review_id": "item.id", "where": "score > 0", "for_each": "items"}
    long = {"columns": {"review_id": "item.id"}, "where": "score > 0", "for_each": "items"}
    assert Projection.model_validate(short) == Projection.model_validate(long)


def test_a_table_may_be_mapped_once_or_several_times() -> None:
    one = Stream.model_validate(DECLARED)
    assert [projection.columns for projection in one.to["review"]] == [{"review_id": "id"}]
    rows = [{"review_id": "a"}, {"review_id": "b"}]
    two = Stream.model_validate({**DECLARED, "to": {"review": rows}})
    assert [projection.columns["review_id"] for projection in two.to["review"]] == ["a", "b"]
    assert Stream.model_validate(two.model_dump()) == two


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"primary_key": []}, ("primary_key",)),
        ({"to": {}}, ("to",)),
        ({"to": {"review": {"rating_value": 5}}}, ("to", "review", 0, "columns", "rating_value")),
        ({"look_back": -1}, ("look_back",)),
        ({"lag": "-PT1S"}, ("lag",)),
        ({"decimal": ";"}, ("decimal",)),
        ({"timezone": "Europe/Atlantis"}, ("timezone",)),
        ({"max_rejected_share": 1.5}, ("max_rejected_share",)),
        ({"policies": {"duplicate_key": "first"}}, ("policies", "duplicate_key")),
    ],
)
def test_a_wrong_declaration_is_refused_at_its_place(
    changes: dict[str, Any], place: tuple[object, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        Stream.model_validate({**DECLARED, **changes})
    assert [error["loc"] for error in caught.value.errors()] == [place]


@pytest.mark.parametrize("setting", ["primary_key", "time_formats", "may_lack", "pii"])
def test_a_list_of_texts_may_be_written_as_a_single_text(setting: str) -> None:
    assert getattr(Stream.model_validate({**DECLARED, setting: "iso"}), setting) == ("iso",)


def test_so_may_those_of_every_kind_of_stream() -> None:
    """A connector's own settings are read like the common ones."""

    class Calls(Stream):
        queues: Annotated[tuple[str, ...], Field(min_length=1)] = ("all",)
        label: str = ""

    calls = Calls.model_validate({**DECLARED, "primary_key": "id", "queues": "sales", "label": "x"})
    assert (calls.primary_key, calls.queues, calls.label) == (("id",), ("sales",), "x")
    assert Calls.model_validate(DECLARED).queues == ("all",)
    assert Calls.model_validate(calls.model_dump()) == calls


@pytest.mark.parametrize(("value", "expected"), [(90, 90), ("PT90S", 90), ("P1D", 86400), (0.5, 0.5)])
def test_durations_are_seconds_or_iso_8601(value: object, expected: float) -> None:
    assert Stream.model_validate({**DECLARED, "look_back": value}).look_back.total_seconds() == expected


@pytest.mark.parametrize(
    ("version", "policy", "latest"),
    [(None, None, False), ("changed", None, True), (None, "latest", True), ("changed", "quarantine", False)],
)
def test_the_latest_version_wins_where_versions_can_be_told_apart(
    version: str | None, policy: str | None, latest: bool
) -> None:
    policies = Policies.model_validate({"duplicate_key": policy})
    stream = Stream.model_validate({**DECLARED, "version": version, "policies": policies})
    assert stream.takes_latest is latest


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rule": "r"}, "needs either sql or type"),
        ({"rule": "r", "sql": "a > 0", "type": "expect_x"}, "needs either sql or type"),
        ({"rule": "r", "sql": "a > 0", "level": "table"}, "sql applies to rows"),
        ({"rule": "Not A Rule", "sql": "a > 0"}, "rule"),
    ],
)
def test_an_expectation_has_one_form(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Expectation.model_validate({"table": "review", **fields})


def test_names_and_texts_are_quoted_for_sql() -> None:
    assert literal("it's") == "'it''s'"
    assert identifier('a "b" * c') == '"a ""b"" * c"'
    assert literals(["a", "b'c"]) == "['a', 'b''c']"
    assert literals(()) == "[]"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tikets", "; did you mean 'tickets'?"),
        ("TICKETS", "; did you mean 'tickets'?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_offered_and_a_far_one_is_not(name: str, hint: str) -> None:
    assert nearest(name, ["calls", "tickets"]) == hint
    assert nearest(name, []) == ""


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "America", "../etc/passwd", "/etc/passwd", "Europe/Madrid\0"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        known_zone(name)


def test_a_zone_or_none_is_taken_as_it_is() -> None:
    assert known_zone("America/Argentina/Buenos_Aires") == "America/Argentina/Buenos_Aires"
    assert known_zone(None) is None


def test_the_calls_for_help_are_those_of_the_support_and_complaints() -> None:
    assert set(SUPPORT_ACTIVITIES) == {"called_support", "contacted_support", "filed_complaint"}
    assert all(name == activity.name for name, activity in ACTIVITIES.items())


def test_currencies_are_codes_of_iso_4217() -> None:
    assert {"EUR", "USD", "BRL", "JPY", "ZWG"} <= CURRENCIES
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in CURRENCIES)
    assert not {"XAU", "XXX", "HRK"} & CURRENCIES


def test_an_error_says_where_what_and_how_to_mend_it() -> None:
    error = SourceError("a column is gone", value="score", fix="mend the mapping")
    assert str(error) == "a column is gone (mend the mapping)"
    assert error.at("shop", "reviews") is error
    assert str(error) == "shop.reviews: a column is gone (mend the mapping)"
    assert str(error.at("other", "place")) == "shop.reviews: a column is gone (mend the mapping)"
    assert error.value == "score"


@pytest.mark.parametrize(
    ("kind", "family", "code"),
    [
        (WarehouseBusyError, TransientError, 75),
        (TransientError, CxflowError, 75),
        (GateClosedError, FatalError, 65),
        (SourceError, FatalError, 66),
        (ConfigError, FatalError, 78),
        (AccountingError, FatalError, 70),
        (CountError, FatalError, 65),
    ],
)
def test_an_errors_class_says_what_to_do_next(kind: type[CxflowError], family: type, code: int) -> None:
    assert issubclass(kind, family)
    assert kind.exit_code == code


@pytest.mark.parametrize(
    "cron", ["0 3 * * *", "*/15 8-18 * * mon-fri", "0 0 1,15 jan *", "5 4 l * 5#2", "59 23 31 12 7", "@daily"]
)
def test_a_cron_expression_is_taken_as_it_is(cron: str) -> None:
    assert known_schedule(cron) == cron


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("", "five fields: minute hour day month weekday"),
        ("0 3 * *", "five fields"),
        ("0 0 3 * * *", "five fields"),
        ("at 3 every day !", "is not a cron expression"),
        ("@sometimes", "is not a cron expression"),
        ("60 3 * * *", "the minute runs from 0 to 59, not 60"),
        ("0 8-24 * * *", "the hour runs from 0 to 23, not 24"),
        ("0 3 0 * *", "the day runs from 1 to 31, not 0"),
        ("0 3 * 1,13 *", "the month runs from 1 to 12, not 13"),
    ],
)
def test_what_is_no_cron_expression_is_refused(cron: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        known_schedule(cron)
