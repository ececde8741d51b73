"""From Trustpilot's answers to the warehouse: what reviews become, and the traps of reading them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, NewProject
from cxflow import ConfigError, SourceError, sources
from cxflow.testing import TestProject, answers, conformance
from reviews import product_review, reply, review
from starlette.responses import JSONResponse

from cxflow_trustpilot import streams
from cxflow_trustpilot.service import TrustpilotService


def sample() -> TrustpilotService:
    """More reviews than a page holds, so that a reading can break off."""
    many = [review(number, f"2026-03-{1 + number // 24:02}T{number % 24:02}:00:00Z") for number in range(150)]
    products = [product_review(number, f"2026-03-01T{number % 24:02}:00:00Z") for number in range(120)]
    return TrustpilotService(service_reviews=many, product_reviews=products)


PUBLIC = {"connector": "trustpilot", "access": "public"}
TestTrustpilot = conformance(
    sample().connection,
    service=lambda: sample().application(),
    project=PROJECT,
    environment=sample().environment,
)
TestPublicTrustpilot = conformance(
    lambda url: {**sample().connection(url), **PUBLIC},
    service=lambda: sample().application(),
    project=PROJECT,
    environment=sample().environment,
)


def day(number: int, month: int = 3) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


def run(project: TestProject, stream: str = "service_reviews", end: datetime | None = None) -> Any:
    return project.run("reviews", stream, end=end or day(10))[f"reviews.{stream}"].counts


def backfill(project: TestProject, start: datetime, end: datetime, stream: str = "service_reviews") -> Any:
    found = project.run("reviews", stream, mode="backfill", start=start, end=end)
    return found[f"reviews.{stream}"].counts


def test_reviews_replies_and_their_customers_arrive_as_they_were(
    service: TrustpilotService, new_project: NewProject
) -> None:
    service.service_reviews = [
        review(1, "2026-03-01T10:00:00Z", stars=2, companyReply=reply("2026-03-02T07:00:00Z")),
        review(
            2, "2026-03-01T11:00:00Z", stars=5, title=None, text=None, referralEmail=None, referenceId=None
        ),
        review(3, "2026-03-02T12:00:00Z", stars=3, status="archived"),
    ]
    # The person who wrote the first review, known by their address from here on.
    service.product_reviews = [product_review(1, "2026-03-03T10:00:00Z")]
    project = new_project(orders="reviews")
    assert run(project).extracted == 3
    assert run(project, "product_reviews").extracted == 1
    project.settle()
    touchpoints = project.query(
        "SELECT activity, epoch(occurred_at)::BIGINT, channel, direction, control, order_id, customer_id "
        "FROM touchpoint ORDER BY occurred_at"
    )
    first = 1772359200  # 10:00 on 1 March 2026
    assert [row[:-1] for row in touchpoints] == [
        ("wrote_review", first, "web", "inbound", "external", "reviews:1001"),
        ("wrote_review", first + 3600, "web", "inbound", "external", None),
        ("received_reply", first + 21 * 3600, "web", "outbound", "external", "reviews:1001"),
        ("wrote_review", first + 48 * 3600, "web", "inbound", "external", "reviews:1001"),
    ]
    one, other, replied, product = (row[-1] for row in touchpoints)
    assert one == replied == product != other
    assert None not in (one, other), "who has no address is known by Trustpilot's own id"
    assert project.query(
        "SELECT source_record_id, item_reviewed_id, rating_value, worst_rating, best_rating, review_title "
        "FROM review ORDER BY date_published"
    ) == [
        ("65a0" + "1".zfill(20), "reviews:507f191e810c19729de860ea", 2, 1, 5, "A title"),
        ("65a0" + "2".zfill(20), "reviews:507f191e810c19729de860ea", 5, 1, 5, None),
        ("75a0" + "1".zfill(20), "reviews:MUG-1", 5, 1, 5, None),
    ]
    rating = project.query(
        "SELECT value, n FROM kpi_value WHERE kpi = 'review_rating' AND grain = 'month' AND dimension = ''"
    )
    assert rating == [(pytest.approx((2 + 5 + 5) / 3), 3)]


def test_a_late_reply_and_a_removal_from_the_profile_are_seen_within_the_look_back(
    service: TrustpilotService, new_project: NewProject
) -> None:
    service.service_reviews = [review(1, "2026-03-01T10:00:00Z"), review(2, "2026-03-01T10:00:00Z")]
    project = new_project()
    run(project)
    service.service_reviews[0]["companyReply"] = reply("2026-03-20T10:00:00Z")
    service.service_reviews[1]["status"] = "archived"
    counts = run(project, end=day(25))
    assert (counts.extracted, counts.updated) == (2, 2)
    found = project.query("SELECT source_record_id, activity FROM touchpoint WHERE NOT is_deleted ORDER BY 2")
    assert found == [("65a0" + "1".zfill(20), "received_reply"), ("65a0" + "1".zfill(20), "wrote_review")]
    service.service_reviews[0]["companyReply"] = None
    run(project, end=day(26))
    found = project.query("SELECT activity FROM touchpoint WHERE NOT is_deleted")
    assert found == [("wrote_review",)], "a reply that was taken back is none, though no time has moved"
    run(project, end=day(30, 4))
    assert run(project, end=day(1, 5)).extracted == 0, "reviews older than the look-back are not read again"


@pytest.mark.parametrize("includes_start", [True, False])
def test_reviews_at_the_edge_of_two_windows_are_read_however_edges_are_meant(
    service: TrustpilotService, new_project: NewProject, includes_start: bool
) -> None:
    service.includes_start = includes_start
    service.service_reviews = [review(number, f"2026-03-0{1 + number}T00:00:00Z") for number in (0, 1, 2)]
    project = new_project()
    backfill(project, day(1), day(2))
    backfill(project, day(2), day(4))
    assert project.query("SELECT count(*) FROM review") == [(3,)]


def test_reviews_of_one_second_across_a_page_boundary_are_all_read(
    service: TrustpilotService, new_project: NewProject
) -> None:
    service.service_reviews = [review(number, "2026-03-01T10:00:00Z") for number in range(250)]
    assert run(new_project()).inserted == 250
    assert [path.split("page=")[1][0] for path in service.asked if "page=" in path] == list("1234")


def capped_at_two_pages(service: TrustpilotService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides' cap, which is a thousand pages."""
    service.cap = 200
    monkeypatch.setitem(streams._PRIVATE, "pages", streams.OldestFirst(size="perPage", cap=200))


def test_a_query_starts_again_at_its_last_review_where_the_cap_ends_it(
    service: TrustpilotService, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    capped_at_two_pages(service, monkeypatch)
    service.service_reviews = [
        review(number, f"2026-03-01T10:{number // 60:02}:{number % 60:02}Z") for number in range(450)
    ]
    assert run(new_project()).inserted == 450
    asked = [path.partition("?")[2] for path in service.asked if "orderBy" in path]
    starts = [dict(part.split("=") for part in each.split("&")).get("startDateTime") for each in asked]
    assert starts == [
        *[None] * 2,
        # The 200th review is of 10:03:19, the 399th of 10:06:37, and so on: each time from a second before.
        *["2026-03-01T10%3A03%3A18"] * 2,
        *["2026-03-01T10%3A06%3A36"] * 2,
    ]


def test_more_reviews_than_the_cap_at_one_instant_are_not_cut_silently(
    service: TrustpilotService, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    capped_at_two_pages(service, monkeypatch)
    service.service_reviews = [review(number, "2026-03-01T10:00:00Z") for number in range(201)]
    with pytest.raises(SourceError, match="no more than 200 records"):
        run(new_project())


def test_public_access_needs_the_key_alone_and_ends_before_the_window(
    service: TrustpilotService, new_project: NewProject
) -> None:
    service.service_reviews = [
        *(review(number, f"2026-01-01T{number % 24:02}:00:00Z") for number in range(300)),
        *(review(300 + number, f"2026-03-05T{number % 24:02}:00:00Z") for number in range(120)),
    ]
    project = new_project(access="public")
    counts = backfill(project, day(1), day(10))
    assert (counts.extracted, counts.inserted) == (120, 120)
    assert len(service.asked) == 2, "the page that reaches back beyond the window is the last"
    assert not service.tokens
    namespaces = project.query("SELECT DISTINCT namespace FROM record_identity")
    assert namespaces == [("reviews.consumer",)]


def test_a_business_unit_is_found_by_its_domain(service: TrustpilotService, new_project: NewProject) -> None:
    service.service_reviews = [review(1, "2026-03-01T10:00:00Z")]
    assert run(new_project(business_unit="https://www.Acme.example/")).inserted == 1
    assert "/v1/business-units/find?name=acme.example" in service.asked


def test_an_unknown_domain_is_an_error_of_the_settings(
    service: TrustpilotService, new_project: NewProject
) -> None:
    with pytest.raises(ConfigError, match="no such business unit") as caught:
        run(new_project(business_unit="other.example"))
    assert "check business_unit" in str(caught.value)
    service.trouble.append(lambda _: JSONResponse({}))
    with pytest.raises(SourceError, match=r"business unit other\.example has no id"):
        run(new_project(business_unit="other.example"))


def test_a_wrong_secret_is_told_and_not_shown(
    service: TrustpilotService, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = new_project()
    monkeypatch.setenv("TRUSTPILOT_SECRET", "another-secret-9999")
    with pytest.raises(ConfigError, match="refuses the credentials") as caught:
        run(project)
    assert "another-secret" not in str(caught.value)


def test_a_private_connection_without_a_secret_says_what_to_do(new_project: NewProject) -> None:
    project = new_project()
    settings = dict(project.settings.connections["reviews"])
    del settings["api_secret"]
    project.reconfigure({**PROJECT, "connections": {"reviews": settings}})
    with pytest.raises(ConfigError, match='set access = "public"'):
        run(project)


def test_a_token_that_is_refused_is_replaced_once(
    service: TrustpilotService, new_project: NewProject
) -> None:
    service.service_reviews = [review(1, "2026-03-01T10:00:00Z")]
    project = new_project()
    run(project)
    service.tokens.append("granted-to-somebody-else")  # the kept one is no good any more
    assert run(project, end=day(11)).extracted == 1
    assert len(service.tokens) == 3


def test_too_many_requests_are_asked_again(service: TrustpilotService, new_project: NewProject) -> None:
    service.service_reviews = [review(1, "2026-03-01T10:00:00Z")]
    service.trouble += [lambda _: JSONResponse({"message": "Too many requests"}, 429)] * 2
    assert run(new_project()).inserted == 1


def test_a_field_of_ones_own_can_be_mapped_beside_ours(
    service: TrustpilotService, new_project: NewProject
) -> None:
    tags = [{"group": "shop", "value": "uk"}]
    service.service_reviews = [review(1, "2026-03-01T10:00:00Z", tags=tags, stars=3)]
    changed = {"service_reviews": {"to": {"review": {"item_reviewed_id": "tags[1].value"}}}}
    project = new_project(streams=changed)
    run(project)
    assert project.query("SELECT item_reviewed_id, rating_value FROM review") == [("reviews:uk", 3)]


def test_both_databases_hold_the_same(
    service: TrustpilotService, new_project: NewProject, postgresql: str, tmp_path: Path
) -> None:
    sampled = sample()
    service.service_reviews, service.product_reviews = sampled.service_reviews, sampled.product_reviews
    found = []
    for warehouse in ({"url": "duckdb:///warehouse.duckdb"}, {"url": postgresql}):
        project = new_project(warehouse=warehouse)
        project.run(end=day(10))
        project.settle()
        found.append(project.digest())
        assert project.query("SELECT count(*) FROM review") == [(270,)]
    assert found[0] == found[1]


def test_invented_reviews_have_the_fields_of_real_ones() -> None:
    real = answers.example("trustpilot", "private_reviews_page1.json")["reviews"]
    made = review(1, "2026-03-01T10:00:00Z", companyReply=reply("2026-03-01T11:00:00Z"))
    assert answers.differences([made], real) == []
    assert all(set(record) == set(made) for record in real)


def test_orders_of_another_connection_are_referred_to(
    service: TrustpilotService, new_project: NewProject
) -> None:
    project = new_project(orders="no_such")
    with pytest.raises(ConfigError, match="'no_such', which is not configured"):
        sources.lint(project.settings, "reviews")


def test_a_window_is_in_the_request(service: TrustpilotService, new_project: NewProject) -> None:
    backfill(new_project(), day(1), day(2))
    assert service.asked[-1] == (
        f"/v1/private/business-units/{service.unit}/reviews?page=1&perPage=100&orderBy=createdat.asc"
        "&startDateTime=2026-02-28T23%3A59%3A59&endDateTime=2026-03-02T00%3A00%3A00"
    )
