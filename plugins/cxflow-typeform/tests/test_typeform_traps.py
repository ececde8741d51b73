"""What Typeform does that a connector may get wrong, one test each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cxflow import ConfigError, sources
from cxflow.testing import TestProject
from invented_forms import answered, form, partial, question, response

from cxflow_typeform.questions import rated
from cxflow_typeform.service import TypeformService, answer

MARCH_10 = datetime(2026, 3, 10, tzinfo=UTC)


def run(project: TestProject, stream: str = "responses", end: datetime = MARCH_10) -> Any:
    return project.run("forms", stream, end=end)[f"forms.{stream}"].counts


def asked(typeform: TypeformService, name: str) -> list[dict[str, list[str]]]:
    """The query of each request for a form's responses."""
    return [
        parse_qs(urlsplit(path).query)
        for path in typeform.asked
        if path.startswith(f"/forms/{name}/responses")
    ]


def test_later_pages_are_asked_for_by_token_alone(project: TestProject, typeform: TypeformService) -> None:
    run(project)
    first, *later = asked(typeform, "nps")
    assert set(first) == {"page_size", "response_type", "until"}, "a first run has no start"
    assert [page["before"] for page in later] == [["n4"], ["n2"], ["n1"]]
    for page in later:
        assert set(page) == {"page_size", "response_type", "before"}


def test_the_second_run_stops_at_the_first_page_that_it_knows(
    project: TestProject, typeform: TypeformService
) -> None:
    run(project)
    typeform.responses["nps"] += [
        response(f"m{number}", f"2026-03-1{number}T09:00:00Z", answered("main", "nps", 9))
        for number in range(1, 6)
    ]
    typeform.asked.clear()
    assert run(project, end=MARCH_10 + timedelta(days=6)).inserted == 5
    pages = asked(typeform, "nps")
    assert pages[0]["since"] == ["2026-03-09T23:00:00Z"], "an hour before the last run's end"
    assert len(pages) == 3, "m5 and m4, m3 and m2, m1 and one that is older than the window"


def test_a_response_that_was_deleted_counts_no_more_after_two_whole_readings(
    project: TestProject, typeform: TypeformService
) -> None:
    run(project)
    before = project.query("SELECT count(*) FROM touchpoint WHERE NOT is_deleted")[0][0]
    typeform.responses["nps"] = [each for each in typeform.responses["nps"] if each["token"] != "n2"]
    run(project, end=MARCH_10 + timedelta(days=7))
    assert project.query("SELECT count(*) FROM touchpoint WHERE NOT is_deleted") == [(before,)]
    run(project, end=MARCH_10 + timedelta(days=14))
    assert project.query("SELECT count(*) FROM touchpoint WHERE NOT is_deleted") == [(before - 1,)]


def test_a_response_that_appears_late_is_seen(project: TestProject, typeform: TypeformService) -> None:
    run(project)
    late = response("late", "2026-03-09T23:31:00Z", answered("main", "nps", 0))
    typeform.responses["nps"].append(late)
    assert run(project, end=MARCH_10 + timedelta(hours=1)).inserted == 1


def test_responses_of_one_second_are_all_read(project: TestProject, typeform: TypeformService) -> None:
    typeform.responses["nps"] = [
        response(f"t{number}", "2026-03-01T10:00:00Z", answered("main", "nps", 9)) for number in range(7)
    ]
    assert run(project).inserted == 8


def test_a_partial_response_that_is_submitted_later_is_answered_once(
    project: TestProject, typeform: TypeformService
) -> None:
    typeform.responses = {"nps": [partial("p", "2026-03-01T10:00:00Z", answered("main", "nps", 7))]}
    run(project, "partial_responses")
    assert run(project).extracted == 0
    typeform.responses["nps"].append(response("p", "2026-03-12T10:00:00Z", answered("main", "nps", 7)))
    assert run(project, end=MARCH_10 + timedelta(days=5)).inserted == 1
    assert project.rows("survey_response", "response_id", "rating_value") == [("forms:p", 7)]


@pytest.mark.parametrize("gives_staged_at", [False, True])
def test_partial_responses_are_read_with_and_without_their_time(
    project: TestProject, typeform: TypeformService, gives_staged_at: bool
) -> None:
    typeform.gives_staged_at = gives_staged_at
    counts = run(project, "partial_responses")
    assert counts.inserted == 2, "one was begun, one form only opened"
    assert project.rows("touchpoint", "source_record_id", "activity") == [("p1", "left_survey")]


def test_a_form_that_is_gone_stops_nothing(project: TestProject, typeform: TypeformService) -> None:
    typeform.deleted = {"nps"}
    assert run(project).inserted == 1


def test_a_question_that_was_removed_has_no_scale_and_no_rating(
    project: TestProject, typeform: TypeformService
) -> None:
    typeform.responses["care"] = [
        response("c2", "2026-03-01T12:00:00Z", answered("removed", "opinion_scale", 3))
    ]
    assert run(project).quarantined == 0
    assert not [row for row in project.rows("survey_response", "question_id") if row == ("removed",)]


def test_a_first_batch_without_an_answer_is_no_fault(project: TestProject, typeform: TypeformService) -> None:
    typeform.responses = {"nps": [response("n", "2026-03-01T12:00:00Z", answers=None)]}
    assert run(project).inserted == 1
    typeform.responses["nps"].append(response("o", "2026-03-11T12:00:00Z"))
    assert run(project, end=MARCH_10 + timedelta(days=3)).inserted == 1


def test_a_first_batch_without_a_rating_or_a_text_is_no_fault(
    project: TestProject, typeform: TypeformService
) -> None:
    sent = answered("mail", "email", "ana@example.org")
    typeform.responses = {"nps": [response("n", "2026-03-01T12:00:00Z", sent)]}
    assert run(project).inserted == 1
    assert project.rows("survey_response", "question_id") == []
    assert project.rows("record_identity", "namespace") == [("email",)]


def test_settings_name_the_questions(project: TestProject, typeform: TypeformService, address: str) -> None:
    named = {"csat_questions": ["colour"], "other_questions": ["happy"], "ces_questions": []}
    project.reconfigure({"connections": {"forms": typeform.connection(address, **named)}})
    run(project)
    found = dict(project.rows("survey_response", "question_id", "metric_type"))
    assert (found["colour"], found["happy"], found["ease"]) == ("csat", "rating", "ces")


@pytest.mark.parametrize("hidden", [{"order": "1001"}, {}])
def test_a_hidden_field_can_be_mapped_and_an_identifier_left_out(
    project: TestProject, typeform: TypeformService, address: str, hidden: dict[str, str]
) -> None:
    declared = {
        "in_clear": {"touchpoint.order_id": "an order number"},
        "to": {"touchpoint": {"order_id": "json_extract_string(to_json(hidden), '$.order')"}},
        "identifiers": {"email": "NULL"},
    }
    connection = typeform.connection(address, streams={"responses": declared})
    project.reconfigure({"connections": {"forms": connection}})
    sent = answered("mail", "email", "friend@example.org")
    typeform.responses = {"nps": [response("n", "2026-03-01T12:00:00Z", sent, hidden=hidden)]}
    run(project)
    order = f"forms:{hidden['order']}" if hidden else None
    assert project.rows("touchpoint", "activity", "order_id") == [("answered_survey", order)]
    assert project.rows("record_identity", "namespace") == []


@pytest.mark.parametrize(
    ("asks", "metric", "worst", "best"),
    [
        (question("q", "nps", "Anything"), "nps", 0, 10),
        (question("q", "opinion_scale", "Would you RECOMMEND us?"), "nps", 0, 10),
        (question("q", "opinion_scale", "Would you recommend us?", steps=5), "rating", 0, 4),
        (question("q", "opinion_scale", "How satisfied?", steps=5, start_at_one=True), "csat", 1, 5),
        (question("q", "rating", "Wie zufrieden sind Sie?"), "csat", 1, 5),
        (question("q", "rating", "¿Fue fácil?", steps=7), "ces", 1, 7),
        (question("q", "rating", "Colour", steps=3), "rating", 1, 3),
        (question("q", "number", "How satisfied, 1 to 5?"), None, 0, 0),
    ],
)
def test_a_question_measures_what_its_type_and_title_say(
    asks: dict[str, Any], metric: str | None, worst: int, best: int
) -> None:
    found = [(each.metric, each.worst, each.best) for each in rated(form("f", asks), {})]
    assert found == ([] if metric is None else [(metric, worst, best)])


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (
            answer(403, {"code": "AUTHENTICATION_FAILED", "description": ""}),
            "right forms:read",
        ),
        (answer(401, {"code": "AUTHENTICATION_FAILED", "description": ""}), "make a new personal token"),
    ],
)
def test_an_error_says_what_is_missing(
    project: TestProject, typeform: TypeformService, trouble: Any, said: str
) -> None:
    typeform.trouble.append(trouble)
    with pytest.raises(ConfigError, match=said):
        run(project)


def test_refresh_tokens_are_replaced_and_kept(
    project: TestProject, typeform: TypeformService, address: str
) -> None:
    project.reconfigure({"connections": {"forms": typeform.oauth(address)}})
    run(project, "forms")
    run(project)
    assert typeform.tokens_granted == 1, "the token is kept from run to run"
    typeform.expire()
    run(project, "partial_responses")
    assert typeform.tokens_granted == 2, "by the second refresh token: the first is refused by now"


def test_a_hidden_field_is_no_place_for_sql(
    project: TestProject, typeform: TypeformService, address: str
) -> None:
    spoiled = typeform.connection(address, hidden_identifiers={"customer": 'id" OR 1'})
    project.reconfigure({"connections": {"forms": spoiled}})
    with pytest.raises(ConfigError, match="hidden_identifiers"):
        sources.lint(project.settings, "forms")


def test_the_limit_is_the_accounts(project: TestProject, typeform: TypeformService, address: str) -> None:
    plain = {
        name: value for name, value in typeform.connection(address).items() if name != "requests_per_second"
    }
    project.reconfigure({"connections": {"forms": plain}})
    [limit] = sources.open_connection(project.settings, "forms").allowed  # type: ignore[attr-defined]
    assert limit.seconds / limit.requests == 0.5
