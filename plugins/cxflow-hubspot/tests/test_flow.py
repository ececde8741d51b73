"""The whole trip through cxflow: a day in an account, and the numbers worked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import account
import pytest
from conftest import PLUGINS, settings
from cxflow.testing import TestProject, conformance, postgresql

from cxflow_hubspot.service import HubSpotService

TestHubSpot = conformance(
    # One of each way of asking; all of them are in the day below.
    lambda url: {**HubSpotService().connection(url), "only": ["contacts", "tickets", "owners"]},
    service=lambda: account.of_one_day().application(),
    project={**PLUGINS, "project": {"country": "GB"}},
    environment=HubSpotService().environment,
)

TOUCHPOINTS = """
    SELECT p.profile_id, t.activity, t.channel, t.direction, t.source_record_id
    FROM touchpoint t LEFT JOIN customer_profile p ON p.customer_id = t.customer_id
"""
EXPECTED = {
    # 51 is known by two addresses, and by the number of a call that has no contact.
    ("crm:51", "became_contact", "social", "inbound", "51"),
    ("crm:51", "became_customer", "social", "inbound", "51"),
    ("crm:51", "contacted_support", "email", "inbound", "700001"),
    ("crm:51", "contacted_support", "chat", "inbound", "700002"),  # two contacts: the older one
    ("crm:51", "called_support", "phone", "inbound", "880002"),
    ("crm:51", "received_call", "phone", "outbound", "880003"),
    ("crm:51", "answered_survey", "email", "inbound", "3001"),
    ("crm:52", "became_contact", "web", "inbound", "52"),
    ("crm:52", "became_lead", "web", "inbound", "52"),
    ("crm:52", "called_support", "phone", "inbound", "880001"),
    ("crm:52", "placed_order", "sales", "inbound", "7001"),
    ("crm:53", "became_contact", "web", "inbound", "53"),
    ("crm:53", "wrote_message", "email", "inbound", "990001"),
    ("crm:53", "received_message", "email", "outbound", "990002"),  # 990003 bounced
    (None, "contacted_support", "phone", "inbound", "700003"),
    (None, "answered_survey", "web", "inbound", "3002"),
    (None, "answered_survey", "web", "inbound", "3003"),
}
VALUES = """
    SELECT kpi, value, n FROM kpi_value
    WHERE grain = 'day' AND dimension = '' AND period_start = DATE '2026-03-02'
"""


@contextmanager
def _duckdb() -> Iterator[dict[str, Any]]:
    yield {}


@pytest.mark.parametrize("database", [_duckdb, postgresql.warehouse], ids=["duckdb", "postgresql"])
def test_a_day_arrives_as_it_was(
    tmp_path: Path,
    hubspot: HubSpotService,
    address: str,
    database: Any,
) -> None:
    with database() as warehouse:
        project = TestProject(tmp_path, settings(hubspot, address), warehouse=warehouse)
        counts = {name: report.counts for name, report in project.run().items()}
        assert {name: each.inserted for name, each in counts.items()} == {
            "crm.contacts": 3,
            "crm.companies": 1,
            "crm.deals": 2,
            "crm.tickets": 3,
            "crm.calls": 3,
            "crm.emails": 3,
            "crm.feedback_submissions": 3,
            "crm.owners": 1,
        }
        assert all(each.extracted == each.inserted for each in counts.values())
        project.settle()
        assert set(project.query(TOUCHPOINTS)) == EXPECTED
        values = {name: (value, n) for name, value, n in project.query(VALUES)}
        assert values["nps"] == (pytest.approx(0), 2)  # a 9 and a 3
        assert values["csat"] == (pytest.approx(1), 1)  # a 5 of 5
        assert values["first_reply_minutes"] == (pytest.approx(20), 1)
        assert values["resolution_minutes"] == (pytest.approx(120), 1)
        assert values["lead_conversion_rate"] == (pytest.approx(1), 1)  # 52 was a lead, and bought
        [(revenue, currency, ended)] = project.query(
            "SELECT (SELECT sum(revenue_impact) FROM touchpoint), (SELECT max(currency_code) FROM opportunity), "
            "(SELECT CAST(ended_at - occurred_at AS VARCHAR) FROM touchpoint WHERE source_record_id = '880001')"
        )
        assert (float(revenue), currency, str(ended)) == (1200.5, "GBP", "00:03:07")  # 187,000 ms
