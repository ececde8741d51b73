"""The plugin whose types are checked also runs: these are the tests that its author would write, checked as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from typer.testing import CliRunner

import cxflow
from cxflow import flow
from cxflow.cli.app import app
from cxflow.connect import commands, registry
from cxflow.testing import TestProject, conformance
from cxflow.warehouse import transactions

CONNECTION = {"connector": "desk", "exports": "exports", "seal": {"env": "DESK_SEAL"}}
SEAL = {"DESK_SEAL": "an-invented-seal"}
SOURCE = {"source_system": "shop", "source_object": "things", "is_deleted": False, "run_id": "run"}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin, found by its entry points as an installed one is."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "cxflow_desk-1.0.dist-info"
    info.mkdir()
    readme = "The connector `desk` reads tickets and calls."
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: cxflow-desk\nVersion: 1.0\n\n{readme}\n")
    (info / "entry_points.txt").write_text(
        "[cxflow]\ndesk = typed_desk\n[cxflow.commands]\ndesk = typed_desk.commands\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        for found in (registry.plugins, commands.plugins):
            found.cache_clear()
        yield
    for found in (registry.plugins, commands.plugins):
        found.cache_clear()


def write_exports(folder: Path) -> None:
    """Two days of tickets, one of them changed and one of them odd, and a day of calls."""
    exports = folder / "exports"
    exports.mkdir()
    one = {
        "id": 1,
        "status": "open",
        "channel": "email",
        "requester": "ada@example.org",
        "opened_at": "2026-03-01T08:00:00Z",
        "updated_at": "2026-03-01T20:00:00Z",
        "replied_at": "2026-03-01T08:10:00Z",
        "score": None,
    }
    two = {**one, "id": 2, "requester": "bob@example.org", "replied_at": "2026-03-01T08:30:00Z", "score": 6}
    later = {**one, "status": "solved", "score": 10, "updated_at": "2026-03-02T20:00:00Z"}
    days: dict[str, list[object]] = {"2026-03-01": [one, two, "ticket 3"], "2026-03-02": [later]}
    for day, tickets in days.items():
        export = {"total": len(tickets), "tickets": tickets}
        (exports / f"tickets-{day}.json").write_text(json.dumps(export))
    (exports / "calls-2026-03-01.csv").write_text(
        "call_id,agent,offered,waited,passed_on\n"
        "a,Ada,2026-03-01T10:00:00Z,20,0\n"
        "b,Bob,2026-03-01T10:05:00Z,21,1\n"
        "c,Ada,2026-03-01T10:10:00Z,90,2\n"
    )


TestDesk = conformance(connection=CONNECTION, environment=SEAL, source=write_exports)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestProject:
    monkeypatch.setenv("DESK_SEAL", SEAL["DESK_SEAL"])
    write_exports(tmp_path)
    return TestProject(tmp_path, {"kpis": {"min_n": 1}, "connections": {"help": CONNECTION}})


def _values(project: TestProject, by: str = "") -> dict[Any, tuple[Any, Any]]:
    """The KPIs of the plugin over all time as (value, n), or those of one dimension by its values, too."""
    found = project.query(
        "SELECT kpi, dimension_value, value, n FROM kpi_value "
        "WHERE grain = 'all' AND dimension = :by AND kpi LIKE 'desk_%'",
        by=by,
    )
    return {(kpi, value) if by else kpi: (pytest.approx(result), n) for kpi, value, result, n in found}


def test_its_exports_become_kpis(desk: TestProject) -> None:
    reports = desk.run()

    tickets, calls = reports["help.tickets"].counts, reports["help.calls"].counts
    assert (tickets.extracted, tickets.inserted) == (4, 2)
    assert (tickets.deduplicated, tickets.quarantined) == (1, 1)
    assert (calls.extracted, calls.inserted) == (3, 3)
    assert desk.rows("support_case", "case_id", "status") == [("help:1", "solved"), ("help:2", "open")]
    desk.settle()
    assert _values(desk) == {
        "desk_answered_at_once": (1 / 3, 3),  # of 20, 21 and 90 seconds
        "desk_passed_on": (2 / 3, 3),
        "desk_recommended": (0, 2),  # a 10 and a 6
        "desk_first_reply_seconds": (1200, 2),  # halfway between 10 and 30 minutes
        "desk_reply_within": (1200, 2),
        "desk_calls": (3, 3),
        "desk_seconds_waited": (131, 3),
        "desk_transfers_per_second": (3 / 131, 3),
        "desk_cases_that_waited": (0, 2),
        "desk_contacts_per_100_orders": (None, 0),
    }


def test_its_agents_are_hashed_with_the_seal(desk: TestProject) -> None:
    desk.run()
    agents = desk.rows("interaction", "agent_id")
    assert len(set(agents)) == 2
    assert "Ada" not in str(agents)


@pytest.mark.parametrize(
    ("seal", "folder", "said"),
    [("tiny", "exports", "the seal is shorter"), ("an-invented-seal", "nowhere", "there is no folder")],
)
def test_it_says_what_is_wrong_with_its_settings(
    desk: TestProject, monkeypatch: pytest.MonkeyPatch, seal: str, folder: str, said: str
) -> None:
    monkeypatch.setenv("DESK_SEAL", seal)
    desk.reconfigure({"connections": {"help": {**CONNECTION, "exports": folder}}})
    with pytest.raises(cxflow.CxflowError, match=said):
        desk.run()


def test_its_command_lists_the_desks(desk: TestProject) -> None:
    desk.reconfigure({"connections": {"help": CONNECTION, "old": {**CONNECTION, "exports": "archive"}}})
    try:
        answer = CliRunner().invoke(app, ["desks", "--at", "arch", "--json", "--project", str(desk.folder)])
    finally:
        structlog.reset_defaults()
    assert json.loads(answer.stdout) == {"cxflow": cxflow.__version__, "desks": {"old": "archive"}}


def put(project: TestProject, table: sa.Table, *rows: dict[str, Any]) -> None:
    """Rows of a canonical table, as a load would write them."""
    with transactions.transaction(project.settings) as warehouse:
        for number, row in enumerate(rows):
            own = {"source_record_id": f"{table.name} {number}", "loaded_at": at(1, 1)}
            warehouse.execute(sa.insert(table), {**SOURCE, **own, **row})


def at(month: int, day: int, minute: int = 0) -> datetime:
    """A time of 2026."""
    return datetime(2026, month, day, 12, minute, tzinfo=UTC)


def test_its_kpis_give_the_answers_worked_by_hand(tmp_path: Path) -> None:
    slices = {
        "desk_late_orders": ["category", "seller_region", "payment_method", "customer_region"],
        "desk_passed_on": ["wait"],
    }
    project = TestProject(tmp_path, {"kpis": {"min_n": 1, "dimensions": [], "dimensions_of": slices}})
    said = {"channel": "email", "activity": "contacted_support", "occurred_at": at(1, 10)}
    eur = {"currency_code": "EUR"}
    put(
        project,
        cxflow.touchpoint,
        {**said, "touchpoint_id": "1"},
        {**said, "touchpoint_id": "2", "channel": "phone"},
        {**said, "touchpoint_id": "3"},
        {**said, "touchpoint_id": "4", "channel": "web"},
    )
    model = {"model_version": "1"}
    put(
        project,
        cxflow.signal,
        {**model, "touchpoint_id": "1", "name": "sentiment", "number_value": 0.5},
        {**model, "touchpoint_id": "2", "name": "sentiment", "number_value": -0.1},
        {**model, "touchpoint_id": "3", "name": "length", "number_value": 900},
    )
    put(
        project,
        cxflow.order_header,
        {**eur, "order_id": "o1", "customer_id": "c1", "created_at": at(1, 10)},
        {**eur, "order_id": "o2", "customer_id": "c1", "created_at": at(2, 5)},
        {**eur, "order_id": "o3", "customer_id": "c2", "created_at": at(1, 20)},
        {**eur, "order_id": "o4", "customer_id": "c3", "created_at": at(2, 7)},
    )
    put(
        project,
        cxflow.order_line,
        {**eur, "order_id": "o1", "line_no": "1", "product_id": "p1", "seller_id": "s1"},
        {**eur, "order_id": "o2", "line_no": "1", "product_id": "p2", "seller_id": "s2"},
        {**eur, "order_id": "o3", "line_no": "1", "product_id": "p1", "seller_id": "s2"},
    )
    put(
        project,
        cxflow.product,
        {"product_id": "p1", "category": "toys"},
        {"product_id": "p2", "category": "books"},
    )
    put(
        project,
        cxflow.organisation,
        {"organisation_id": "s1", "role": "seller", "region": "north"},
        {"organisation_id": "s2", "role": "seller", "region": "south"},
    )
    put(
        project,
        cxflow.payment,
        {**eur, "payment_id": "1", "order_id": "o1", "method": "card"},
        {**eur, "payment_id": "2", "order_id": "o4", "method": "voucher"},
    )
    put(project, cxflow.customer_profile, {"profile_id": "1", "customer_id": "c1", "region": "coast"})
    put(
        project,
        cxflow.delivery,
        {"delivery_id": "1", "order_id": "o1", "promised_at": at(1, 12), "delivered_at": at(1, 13)},
        {"delivery_id": "2", "order_id": "o2", "promised_at": at(2, 12), "delivered_at": at(2, 12)},
    )
    gone = {"is_deleted": True}
    put(
        project,
        cxflow.refund,
        {**eur, "refund_id": "1", "order_id": "o3", "refunded_at": at(1, 25)},
        {**eur, "refund_id": "2", "order_id": "o4", "refunded_at": at(2, 25), **gone},
    )
    put(
        project,
        cxflow.interaction,
        {"interaction_id": "1", "offered_at": at(1, 1), "wait_seconds": 10, "transfer_count": 0},
        {"interaction_id": "2", "offered_at": at(1, 1), "wait_seconds": 30, "transfer_count": 0},
        {"interaction_id": "3", "offered_at": at(1, 1), "wait_seconds": 60, "transfer_count": 2},
        {"interaction_id": "4", "offered_at": at(1, 1), "wait_seconds": 61, "transfer_count": None},
    )
    answers = [
        {"response_id": f"{number}", "question_id": "q", "metric_type": "nps", "rating_value": rating}
        for number, rating in enumerate((10, 9, 9, 7, 6))
    ]
    put(project, cxflow.survey_response, *({**each, "responded_at": at(1, 2)} for each in answers))
    put(
        project,
        cxflow.survey_invitation,
        {"invitation_id": "1", "invited_at": at(1, 1), "responded_at": at(1, 2)},
        {"invitation_id": "2", "invited_at": at(1, 1), "responded_at": None},
    )
    put(
        project,
        cxflow.review,
        {"review_id": "1", "rating_value": 5, "date_published": at(1, 2)},
        {"review_id": "2", "rating_value": 4, "date_published": at(1, 2)},
        {"review_id": "3", "rating_value": None, "date_published": at(1, 2)},
    )
    put(
        project,
        cxflow.support_case,
        {"case_id": "1", "opened_at": at(1, 3), "first_reply_at": at(1, 3, 1)},
        {"case_id": "2", "opened_at": at(1, 3), "first_reply_at": at(1, 3, 2)},
        {"case_id": "3", "opened_at": at(1, 3), "first_reply_at": at(1, 3, 10)},
        {"case_id": "4", "opened_at": at(1, 3), "first_reply_at": None},
    )
    put(
        project,
        cxflow.case_status_history,
        {"case_id": "1", "valid_from": at(1, 4), "status": "waiting"},
        {"case_id": "2", "valid_from": at(1, 4), "status": "solved"},
    )
    put(
        project,
        cxflow.lead,
        {"lead_id": "1", "created_at": at(1, 5)},
        {"lead_id": "2", "created_at": at(1, 5)},
        {"lead_id": "3", "created_at": at(1, 5)},
    )
    put(
        project,
        cxflow.opportunity,
        {**eur, "opportunity_id": "1", "lead_id": "1", "is_won": True},
        {**eur, "opportunity_id": "2", "lead_id": "2", "is_won": False},
    )

    flow.compute_kpis(project.settings)

    assert _values(project) == {
        "desk_answered_at_once": (1 / 4, 4),
        "desk_passed_on": (1 / 4, 4),
        "desk_invitations": (2, 2),
        "desk_recommended": (100 * (3 - 1) / 5, 5),
        "desk_review_stars": (4.5, 2),
        "desk_sentiment": (0.2, 2),
        "desk_first_reply_seconds": (120, 3),
        # After one minute 3/4 still wait, after two 1/2, after ten 1/4: between two and ten.
        "desk_reply_within": (360, 4),
        "desk_calls": (4, 4),
        "desk_seconds_waited": (161, 4),
        "desk_transfers_per_second": (2 / 100, 3),
        "desk_cases_that_waited": (1 / 4, 4),
        "desk_contacts_per_100_orders": (75, 4),
        "desk_late_orders": (1 / 4, 4),
        "desk_refunded_orders": (1 / 4, 4),
        "desk_repeat_customers": (1 / 3, 3),
        "desk_leads_won": (1 / 3, 3),
    }
    assert _values(project, "wait") == {
        ("desk_passed_on", "short"): (0, 2),
        ("desk_passed_on", "long"): (1 / 2, 2),
    }
    late = "desk_late_orders"
    assert _values(project, "category") == {(late, "toys"): (1 / 2, 2), (late, "books"): (0, 1)}
    assert _values(project, "seller_region") == {(late, "north"): (1, 1), (late, "south"): (0, 2)}
    assert _values(project, "payment_method") == {(late, "card"): (1, 1), (late, "voucher"): (0, 1)}
    assert _values(project, "customer_region") == {(late, "coast"): (1 / 2, 2)}
    kept = project.query(
        "SELECT value, n FROM kpi_value WHERE kpi = 'desk_kept_customers' AND period_start = DATE '2026-02-01'"
    )
    assert kept == [(0.5, 2)]  # of c1 and c2, the first came back
