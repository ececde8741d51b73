"""`cxflow quarantine`: listed, shown without what it says, mended and replayed, or discarded."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import cxflow, edit

pytestmark = pytest.mark.usefixtures("database")

PERSONAL = ("olga@example.com", "A score that cannot be")


@pytest.fixture
def entry(loaded: Path) -> str:
    """The id of the one refused record."""
    (found,) = cxflow("quarantine", "list", "--entries", "--json", project=loaded).json
    assert "payload" not in found
    return str(found["quarantine_id"])


def test_reasons_are_counted_and_explained(loaded: Path) -> None:
    (reason,) = cxflow("quarantine", "list", "--json", project=loaded).json
    assert (reason["source_object"], reason["rule"], reason["entries"]) == (
        "answers",
        "rating_within_scale",
        1,
    )
    shown = cxflow("quarantine", "list", project=loaded).out
    assert "a rating lies within its scale" in shown
    assert shown.splitlines()[2].split() == ["stream", "rule", "column", "status", "entries", "last", "seen"]


@pytest.mark.parametrize("chosen", [["--rule", "cast"], ["--connection", "shop"], ["--status", "discarded"]])
def test_filters_leave_the_others_out(loaded: Path, chosen: list[str]) -> None:
    assert cxflow("quarantine", "list", *chosen, "--json", project=loaded).json == []


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_what_a_record_says_is_masked(loaded: Path, entry: str, form: list[str]) -> None:
    shown = cxflow("quarantine", "show", entry[:8], *form, project=loaded)
    assert shown.code == 0
    assert "masked, " in shown.out
    assert "A016" in shown.out
    assert not any(word in shown.out for word in PERSONAL)


def test_it_is_revealed_on_request(loaded: Path, entry: str) -> None:
    shown = cxflow("quarantine", "show", entry, "--reveal", project=loaded)
    assert all(word in shown.out for word in PERSONAL)


def test_an_unknown_id_is_told(loaded: Path) -> None:
    answer = cxflow("quarantine", "show", "nothing", project=loaded)
    assert answer.code == 78
    assert "no entry begins with 'nothing'" in answer.err


def test_a_mended_mapping_takes_the_record_in(own: Path) -> None:
    edit(own, 'rating_value = "score"', 'rating_value = "least(score::INTEGER, 10)"')
    answer = cxflow("quarantine", "replay", "--json", project=own)
    assert answer.code == 0
    assert answer.json["total"]["inserted"] == 1
    assert cxflow("quarantine", "list", "--json", project=own).json == []
    (nps,) = cxflow("kpis", "nps", "--json", project=own).json
    assert nps["n"] == 20


def test_without_mending_it_stays(own: Path) -> None:
    answer = cxflow("quarantine", "replay", "--json", project=own)
    assert answer.json["total"]["quarantined"] == 1
    assert [reason["entries"] for reason in cxflow("quarantine", "list", "--json", project=own).json] == [1]


def test_a_record_is_discarded_for_a_reason_and_after_a_question(own: Path) -> None:
    assert cxflow("quarantine", "discard", project=own).code == 2
    refused = cxflow("quarantine", "discard", "--reason", "a typing error", project=own, typed="n\n")
    assert refused.code == 1
    assert len(cxflow("quarantine", "list", "--json", project=own).json) == 1
    answer = cxflow("quarantine", "discard", "--reason", "a typing error", "--yes", "--json", project=own)
    assert answer.json == {"discarded": 1}
    (entry,) = cxflow("quarantine", "list", "--entries", "--status", "discarded", "--json", project=own).json
    assert entry["reason"] == "a typing error"


def test_two_times_in_the_wrong_order_are_both_named_and_replayed(fresh: Path) -> None:
    invited = "CASE WHEN response_id = 'A001' THEN '2026-02-01T00:00:00Z' ELSE answered_at END"
    edit(fresh, 'responded_at = "answered_at"', f'responded_at = "answered_at"\ninvited_at = "{invited}"')
    assert cxflow("run", "--no-kpis", project=fresh).code == 0
    names = "survey_response.invited_at, survey_response.responded_at"
    rule = ("--rule", "end_not_before_start")
    assert names in cxflow("quarantine", "list", *rule, project=fresh).out
    (entry,) = cxflow("quarantine", "list", *rule, "--entries", "--json", project=fresh).json
    assert entry["column_name"] == names
    shown = cxflow("quarantine", "show", entry["quarantine_id"], "--json", project=fresh).json
    assert shown["expression"] == f"invited_at = {invited}; responded_at = answered_at"
    assert "of the two times, the first is not after the second" in shown["means"]
    edit(fresh, f'\ninvited_at = "{invited}"', "")
    assert cxflow("quarantine", "replay", *rule, "--json", project=fresh).json["total"]["inserted"] == 1
    assert cxflow("quarantine", "list", *rule, "--json", project=fresh).json == []
