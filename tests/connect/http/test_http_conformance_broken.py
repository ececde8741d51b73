"""The test of the tests: each check of the suite fails for a connector that is broken on purpose, and what is broken in
one way fails no other check of its kind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from broken_desks import BROKEN
from invented_desk import TOKEN, Desk, ticket

from cxflow.testing.declaration_checks import DeclarationChecks
from cxflow.testing.reading_checks import ReadingChecks
from cxflow.testing.sample import Kit, Sample, opened
from cxflow.testing.service_checks import ServiceChecks
from cxflow.testing.suite import conformance
from cxflow.testing.warehouse_checks import WarehouseChecks

SUITE = conformance({"connector": "invented_desk"})
COSTLY = {
    # They load, or take a second and more.
    "test_personal_values_are_tagged",
    "test_a_thousand_mutated_pages_crash_nothing_and_hide_nothing",
    "test_records_that_come_twice_become_one_row",
    "test_a_field_that_is_gone_or_changed_is_told",
    "test_an_answer_that_does_not_come_is_asked_for_again",
    "test_trouble_that_passes_loses_and_doubles_nothing",
    *(name for name in vars(WarehouseChecks) if name.startswith("test_")),
}

_PARTS = {"test_a_window_equals_the_sum_of_its_parts", "test_incremental_reading_finds_what_a_full_one_finds"}
_BOUNDARY = "test_a_boundary_hides_no_record"
FAILS: dict[str, set[str]] = {
    "untitled": {"test_it_says_what_it_is"},
    "shows_its_password": {"test_its_settings_are_described_and_its_secrets_are_secrets"},
    "takes_every_setting": {"test_an_unknown_setting_is_named"},
    "undocumented": {"test_its_documentation_names_every_stream"},
    "maps_what_is_not_there": {"test_its_mappings_are_valid"},
    "has_no_plan": {"test_every_stream_can_be_checked_and_planned_without_reading"},
    "tags_nothing": {"test_personal_values_are_tagged"},
    "cannot_be_ended": {"test_its_reading_can_be_ended_after_the_first_record"},
    "counts_its_runs": {"test_every_stream_read_twice_gives_the_same"},
    "leaves_the_first_day_out": {*_PARTS, _BOUNDARY},
    "leaves_its_start_out": {*_PARTS, _BOUNDARY},
    "trusts_its_cursor_too_much": {"test_incremental_reading_finds_what_a_full_one_finds"},
    "goes_by_the_last_record": {"test_its_cursor_never_goes_back"},
    "resumes_elsewhere": {"test_an_interrupted_reading_resumes_after_its_last_checkpoint"},
    "knows_no_past": {"test_a_window_before_everything_is_empty"},
    "reads_nothing": {"test_every_record_is_accounted_for"},
    "tells_the_time": {"test_a_second_run_changes_nothing"},
    "backfills_less": {"test_a_backfill_equals_incremental_runs_and_leaves_the_cursor_alone"},
    "remembers_people": {"test_its_cursor_holds_no_personal_data"},
    "names_people": {"test_the_ledger_holds_no_personal_data"},
    "takes_errors_for_pages": {"test_trouble_that_passes_loses_and_doubles_nothing"},
    "takes_silence_for_an_end": {"test_an_answer_that_does_not_come_is_asked_for_again"},
    "takes_refusals_for_pages": {"test_trouble_that_stays_ends_the_pull_and_loads_nothing"},
    "takes_expiry_for_pages": {"test_a_token_that_is_refused_is_renewed_or_named"},
    "goes_in_circles": {"test_answers_that_lie_are_noticed_or_do_no_harm"},
    "keys_by_place": {"test_records_that_come_twice_become_one_row"},
    "skips_what_has_no_id": {"test_a_field_that_is_gone_or_changed_is_told"},
    "crashes_at_the_unknown": {"test_a_thousand_mutated_pages_crash_nothing_and_hide_nothing"},
    "asks_beside_the_budget": {"test_the_budget_is_kept"},
    "ignores_pauses": {"test_the_budget_is_kept"},
    "prints_its_token": {"test_secrets_are_never_printed"},
    "gives_up_at_once": {"test_trouble_that_stays_ends_the_pull_and_loads_nothing"},
}
"""Broken connector to the checks that find it, of those that are run for it."""
ALSO: dict[str, set[str]] = {
    "cannot_be_ended": {"test_an_interrupted_reading_resumes_after_its_last_checkpoint"},
    "counts_its_runs": {"test_an_interrupted_reading_resumes_after_its_last_checkpoint"},
    "goes_by_the_last_record": {"test_an_interrupted_reading_resumes_after_its_last_checkpoint"},
    "keys_by_place": {"test_answers_that_lie_are_noticed_or_do_no_harm", "test_the_budget_is_kept"},
    "gives_up_at_once": {"test_secrets_are_never_printed"},
    "takes_errors_for_pages": {"test_trouble_that_stays_ends_the_pull_and_loads_nothing"},
    "takes_expiry_for_pages": {
        "test_trouble_that_stays_ends_the_pull_and_loads_nothing",
        "test_secrets_are_never_printed",  # it waits for an error
    },
}
"""What else such a fault breaks, by its nature."""


def checks() -> set[str]:
    """The names of all checks."""
    return {name for name in dir(SUITE) if name.startswith("test_")}


def kind_of(check: str) -> set[str]:
    """The checks of the same kind that cost little."""
    kinds = (DeclarationChecks, ReadingChecks, WarehouseChecks, ServiceChecks)
    [kind] = [each for each in kinds if check in vars(each)]
    return {name for name in vars(kind) if name.startswith("test_")} - COSTLY


@pytest.fixture
def opening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Sample]]:
    """Opens the sample of one of the desks."""
    desk = Desk([ticket(number, 1 + number // 2) for number in range(1, 8)])

    def begin(name: str) -> Sample:
        kit = Kit(
            lambda url: {
                "connector": name,
                "account": "acme",
                "token": {"env": "DESK_TOKEN"},
                "base_url": url,
                "private_network": True,
                "only": ["tickets"],
            },
            lambda _: None,
            desk.application,
            {"plugins": ["broken_desks"]},
            {"DESK_TOKEN": TOKEN},
            None,
        )
        return stack.enter_context(opened(kit, lambda: tmp_path_factory.mktemp("broken")))

    with ExitStack() as stack:
        yield begin


Outcomes = Callable[[str, set[str]], dict[str, str]]


@pytest.fixture
def outcomes(
    opening: Callable[[str], Sample],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Outcomes:
    """Runs checks on a connector: those that fail, with what they say."""

    def run(name: str, some: set[str]) -> dict[str, str]:
        sample, found = opening(name), {}
        available = {"sample": sample, "monkeypatch": monkeypatch, "capfd": capfd, "caplog": caplog}
        for check in sorted(some):
            method = getattr(SUITE(), check)
            wanted = inspect.signature(method).parameters
            with monkeypatch.context() as patch:
                known = {
                    **available,
                    "monkeypatch": patch,
                    "rest": sample.connector() if "rest" in wanted else None,
                }
                try:
                    method(**{each: known[each] for each in wanted})
                except pytest.skip.Exception:
                    continue
                except (Exception, pytest.fail.Exception) as problem:
                    found[check] = f"{type(problem).__name__}: {problem}"
        return found

    return run


def test_there_is_a_broken_connector_for_each_check() -> None:
    assert FAILS.keys() == {each.name for each in BROKEN}
    by_hand = {"test_its_mapping_gives_the_rows_of_its_snapshot"}
    assert set().union(*FAILS.values()) | by_hand == checks()


@pytest.mark.parametrize("name", FAILS)
def test_a_broken_connector_fails_its_check(name: str, outcomes: Outcomes) -> None:
    expected = FAILS[name] | ALSO.get(name, set())
    some = expected | set().union(*map(kind_of, FAILS[name]))
    found = outcomes(name, some)
    assert found.keys() == expected, found


def test_a_mapping_that_gives_other_rows_is_not_its_snapshot(
    tmp_path: Path, opening: Callable[[str], Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    node = SimpleNamespace(getparent=lambda _: SimpleNamespace(name="TestDesk"))
    request: Any = SimpleNamespace(path=tmp_path / "test_desk.py", node=node)
    check = SUITE().test_its_mapping_gives_the_rows_of_its_snapshot
    with pytest.raises(pytest.skip.Exception, match="look at it, and commit it"):
        check(opening("invented_desk"), request)
    check(opening("invented_desk"), request)
    with pytest.raises(AssertionError, match="gives other rows than"):
        check(opening("tells_the_time"), request)
    monkeypatch.setenv("CI", "true")
    (tmp_path / "snapshots" / "TestDesk.json").unlink()
    with pytest.raises(AssertionError, match=re.escape("there is no snapshot")):
        check(opening("invented_desk"), request)
