"""What goes wrong with HubSpot's API, one test each: ties, caps, lags, archived and merged records, half answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from account import archived, contact, ticket
from conftest import settings
from cxflow import SourceError, TransientError
from cxflow.testing import TestProject
from starlette.responses import JSONResponse

from cxflow_hubspot import service
from cxflow_hubspot.service import HubSpotService

END = datetime(2026, 3, 5, 12, tzinfo=UTC)
LOADED_UNTIL = END - timedelta(seconds=60)


def run(project: TestProject, stream: str, end: datetime = END) -> Any:
    return project.run("crm", stream, end=end)[f"crm.{stream}"].counts


def loaded(project: TestProject, table: str = "customer_profile") -> set[int]:
    rows = project.query(f"SELECT source_record_id FROM {table} WHERE NOT is_deleted")
    return {int(row[0]) for row in rows}


def iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def test_more_records_of_one_instant_than_a_search_answers(
    hubspot: HubSpotService, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SEARCH_CAP", 400)
    hubspot.objects["contacts"] = [contact(number) for number in range(1, 1002)]
    assert run(project, "contacts").inserted == 1001
    assert loaded(project) == set(range(1, 1002))
    assert hubspot.refused == []
    assert len(hubspot.searched) == 6


def test_a_record_that_changes_meanwhile_hides_none_of_the_others(
    hubspot: HubSpotService, project: TestProject
) -> None:
    hubspot.objects["contacts"] = [contact(number) for number in range(1, 451)]

    def change(account: HubSpotService) -> None:
        account.objects["contacts"][0] = contact(1, iso(END + timedelta(minutes=1)))

    hubspot.found = change
    run(project, "contacts")
    assert loaded(project) == set(range(1, 451))
    hubspot.objects["contacts"][0] = contact(1, iso(END + timedelta(minutes=1)), lifecyclestage="lead")
    assert run(project, "contacts", END + timedelta(hours=1)).updated == 1


def test_a_window_has_its_first_instant_and_not_its_last(
    hubspot: HubSpotService, project: TestProject
) -> None:
    start, end = datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
    millisecond = timedelta(milliseconds=1)
    earliest = start - timedelta(minutes=5)  # the overlap
    times = [earliest - millisecond, earliest, end - millisecond, end]
    hubspot.objects["contacts"] = [contact(number, iso(at)) for number, at in enumerate(times)]
    project.run("crm", "contacts", mode="backfill", start=start, end=end)
    assert loaded(project) == {1, 2}


def test_what_search_finds_late_comes_with_the_next_run(
    hubspot: HubSpotService, project: TestProject
) -> None:
    hubspot.objects["contacts"] = [contact(1), contact(2, iso(LOADED_UNTIL - timedelta(minutes=2)))]
    hubspot.not_yet_searchable = {"2"}
    run(project, "contacts")
    assert loaded(project) == {1}
    hubspot.not_yet_searchable = set()
    run(project, "contacts", END + timedelta(hours=1))
    assert loaded(project) == {1, 2}


def test_the_newest_minute_waits_for_the_next_run(hubspot: HubSpotService, project: TestProject) -> None:
    hubspot.objects["contacts"] = [contact(1, iso(LOADED_UNTIL - timedelta(milliseconds=1)))]
    hubspot.objects["contacts"].append(contact(2, iso(LOADED_UNTIL)))
    run(project, "contacts")
    assert loaded(project) == {1}
    run(project, "contacts", END + timedelta(minutes=2))
    assert loaded(project) == {1, 2}


def test_an_archived_record_is_deleted_and_a_restored_one_is_back(
    hubspot: HubSpotService, project: TestProject
) -> None:
    tickets = hubspot.objects["tickets"]
    run(project, "tickets")
    assert loaded(project, "support_case") == {700001, 700002, 700003}
    before = tickets[0]
    tickets[0] = archived(before, iso(END + timedelta(minutes=10)))
    assert run(project, "tickets", END + timedelta(hours=1)).deleted == 1
    assert loaded(project, "support_case") == {700002, 700003}
    tickets[0] = before  # a search that is behind finds it as it was
    project.run(
        "crm", "tickets", mode="backfill", start=END - timedelta(days=9), end=END + timedelta(hours=1)
    )
    assert loaded(project, "support_case") == {700002, 700003}
    at = iso(END + timedelta(minutes=90))
    restored = {**before["properties"], "hs_lastmodifieddate": at}
    tickets[0] = {**before, "updatedAt": at, "properties": restored}
    run(project, "tickets", END + timedelta(hours=2))
    assert loaded(project, "support_case") == {700001, 700002, 700003}


def test_archived_records_are_read_page_by_page_and_of_the_window_alone(
    hubspot: HubSpotService, project: TestProject
) -> None:
    in_window, after = "2026-03-02T00:00:00Z", iso(END)
    hubspot.objects["contacts"] = [
        archived(contact(number), in_window if number % 2 else after) for number in range(1, 251)
    ]
    counts = run(project, "contacts")
    assert (counts.extracted, counts.deleted) == (125, 125)
    assert [line for line in hubspot.asked if "archived=true" in line and "after" in line] == [
        f"GET /crm/v3/objects/contacts?limit=100&archived=true&after={number}" for number in (101, 201)
    ]


def test_a_ticket_archived_between_two_requests_costs_the_others_nothing(
    hubspot: HubSpotService, project: TestProject
) -> None:
    hubspot.objects["tickets"] = [ticket(number) for number in range(1, 151)]
    hubspot.contacts_of["tickets"] = {str(number): [51] for number in range(1, 151)}

    def archive(account: HubSpotService) -> None:
        account.objects["tickets"][76] = archived(ticket(77), iso(END + timedelta(minutes=1)))

    hubspot.found = archive
    run(project, "tickets")
    known = project.query("SELECT source_record_id FROM record_identity WHERE source_object = 'tickets'")
    assert {int(row[0]) for row in known} == set(range(1, 151)) - {77}
    assert loaded(project, "support_case") == set(range(1, 151))


def test_contacts_are_asked_for_a_hundred_records_at_a_time(
    hubspot: HubSpotService, project: TestProject
) -> None:
    hubspot.objects["tickets"] = [ticket(number) for number in range(1, 202)]
    run(project, "tickets")
    assert sum("associations" in line for line in hubspot.asked) == 3  # 100 + 100 of one page, 1 of the next


def test_a_ticket_without_contacts_is_no_error_and_belongs_to_nobody(
    hubspot: HubSpotService, project: TestProject
) -> None:
    hubspot.contacts_of["tickets"] = {}
    assert run(project, "tickets").inserted == 3
    assert project.query("SELECT count(*) FROM record_identity") == [(0,)]


def test_a_contact_added_without_a_change_of_the_ticket_is_seen(
    hubspot: HubSpotService, project: TestProject
) -> None:
    hubspot.objects["tickets"] = [ticket(1, iso(END - timedelta(hours=3)))]
    hubspot.contacts_of["tickets"] = {}
    run(project, "tickets")
    hubspot.contacts_of["tickets"] = {"1": [52]}
    assert run(project, "tickets", END + timedelta(hours=1)).extracted == 1
    hubspot.contacts_of["tickets"] = {"1": [51]}
    run(project, "tickets", END + timedelta(hours=2))
    run(project, "contacts", END + timedelta(hours=2))
    project.settle()
    found = project.query(
        "SELECT p.profile_id FROM support_case c JOIN customer_profile p ON p.customer_id = c.customer_id"
    )
    assert found == [("crm:51",)], "the old contact is none of the ticket any more"


def test_a_merged_contact_is_one_customer_with_what_it_was_merged_from(
    hubspot: HubSpotService, project: TestProject
) -> None:
    hubspot.objects["contacts"] = [contact(54, email="another@example.org"), contact(60)]
    hubspot.contacts_of["tickets"] = {"700001": [54]}
    run(project, "contacts")
    run(project, "tickets")
    # 54 is merged into 53, and gone; a company would name it in hs_merged_object_ids.
    merged = contact(53, iso(END), hs_calculated_merged_vids="54:1772700000000", hs_merged_object_ids="55;56")
    hubspot.objects["contacts"] = [merged, contact(60)]
    run(project, "contacts", END + timedelta(hours=1))
    project.settle()
    [(customers,)] = project.query(
        "SELECT count(DISTINCT customer_id) FROM (SELECT customer_id FROM customer_profile "
        "WHERE profile_id IN ('crm:53', 'crm:54') UNION ALL "
        "SELECT customer_id FROM support_case WHERE case_id = 'crm:700001') AS found"
    )
    assert customers == 1
    ids = project.query(
        "SELECT count(*) FROM record_identity WHERE source_record_id = '53' AND namespace = 'crm.contact'"
    )
    assert ids == [(4,)]  # 53, 54, 55, 56


def test_a_custom_field_is_asked_for_and_mapped(
    hubspot: HubSpotService, project: TestProject, address: str
) -> None:
    hubspot.objects["tickets"][0]["properties"]["complaint_code"] = "D7"
    own = {
        "properties": ["complaint_code", "not_in_this_account"],
        "to": {"support_case": {"reason": "properties.complaint_code"}},
    }
    project.reconfigure(settings(hubspot, address, streams={"tickets": own}))
    run(project, "tickets")
    assert hubspot.searched[0]["properties"][-2:] == ["complaint_code", "not_in_this_account"]
    rows = project.query("SELECT case_id, reason, priority FROM support_case ORDER BY case_id")
    assert rows == [("crm:700001", "D7", "HIGH"), ("crm:700002", None, None), ("crm:700003", None, None)]


def test_a_field_that_is_empty_in_all_of_a_batch_stops_nothing(
    hubspot: HubSpotService, project: TestProject
) -> None:
    bare = {
        "id": "1",
        "properties": {},
        "createdAt": "2026-03-02T00:00:00Z",
        "updatedAt": "2026-03-02T00:00:00Z",
    }
    hubspot.objects = {kind: [dict(bare)] for kind in ("companies", "contacts")}
    assert run(project, "companies").inserted == 1
    assert run(project, "contacts").inserted == 1


def test_an_answer_that_leaves_contacts_out_for_another_reason_is_not_taken(
    hubspot: HubSpotService, project: TestProject
) -> None:
    failed = [{"status": "error", "category": "INTERNAL_ERROR", "context": {"fromObjectId": ["700001"]}}]
    partial = JSONResponse({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": failed}, 207)
    hubspot.found = lambda account: account.trouble.append(lambda _: partial)
    with pytest.raises(TransientError, match=r"crm\.tickets.*which contacts some tickets belong to"):
        run(project, "tickets")
    assert project.query("SELECT count(*) FROM support_case") == [(0,)]


def test_all_records_refused_is_an_error_and_not_no_contacts(
    hubspot: HubSpotService, project: TestProject
) -> None:
    def archive(account: HubSpotService) -> None:
        account.objects["tickets"] = [archived(each, iso(END)) for each in account.objects["tickets"]]

    hubspot.found = archive
    with pytest.raises(SourceError, match="refuses to say which contacts"):
        run(project, "tickets")
    assert project.query("SELECT count(*) FROM support_case") == [(0,)]
