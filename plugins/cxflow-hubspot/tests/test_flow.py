"""The whole trip through cxflow: a day in an account, and the numbers worked by hand."""

from __future__ import annotations

from cxflow.testing import TestProject, conformance

from conftest import PLUGINS

TestHubSpot = conformance(
    connection={
        "connector": "hubspot",
        "base_url": "${HUBSPOT_URL}",
        "private_network": True,
        "token": {"env": "HUBSPOT_TOKEN"},
    },
    source=lambda _: None,
    project={**PLUGINS, "project": {"country": "GB"}},
)


def test_a_day_loads(project: TestProject) -> None:
    for name, report in project.run().items():
        print(name, report.counts, report.notes)
    for table in ("touchpoint","interaction","support_case","survey_response","opportunity","lead","customer_profile","organisation","record_identity"):
        print(table)
        for row in project.query(f"SELECT * FROM {table}"): print("   ", row)
    assert 0
