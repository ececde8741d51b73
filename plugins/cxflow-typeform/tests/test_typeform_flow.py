"""From the service into the warehouse: what is there is what people answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from cxflow.testing import TestProject, postgresql

from cxflow_typeform.service import TypeformService


def check(project: TestProject) -> None:
    """Run everything, and compare it with what was answered."""
    reports = project.run()
    assert {name: report.counts.quarantined for name, report in reports.items()} == dict.fromkeys(reports, 0)
    project.settle()
    answers = project.rows(
        "survey_response",
        "response_id",
        "question_id",
        "metric_type",
        "rating_value",
        "worst_rating",
        "best_rating",
        "response_text",
    )
    assert answers == [
        ("forms:c1", "colour", "rating", 1, 1, 3, None),
        ("forms:c1", "ease", "ces", 6, 1, 7, None),
        ("forms:c1", "happy", "csat", 5, 1, 5, None),
        ("forms:n1", "main", "nps", 3, 0, 10, None),
        ("forms:n1", "why", "comment", None, None, None, "Delivery damaged"),
        ("forms:n2", "main", "nps", 10, 0, 10, None),
        ("forms:n3", "main", "nps", 9, 0, 10, None),
        ("forms:n5", "main", "nps", 8, 0, 10, None),
    ]
    found = project.rows("touchpoint", "source_object", "source_record_id", "activity", "direction")
    assert found == [
        ("partial_responses", "p1", "left_survey", "inbound"),
        *(
            ("responses", token, "answered_survey", "inbound")
            for token in ("c1", "n1", "n2", "n3", "n4", "n5")
        ),
    ]
    # By the hidden customer_id, n1 and n5 are one person; by his telephone, c1 is another.
    customers = project.query(
        "SELECT source_record_id, dense_rank() OVER (ORDER BY customer_id) FROM touchpoint "
        "WHERE customer_id IS NOT NULL"
    )
    of = dict(customers)
    assert set(of) == {"n1", "n5", "c1"}
    assert of["n1"] == of["n5"] != of["c1"]
    values = dict(
        project.query(
            "SELECT kpi, value FROM kpi_value WHERE grain = 'all' AND dimension = '' AND value IS NOT NULL"
        )
    )
    assert values["nps"] == pytest.approx(100 * (2 - 1) / 4)  # 3, 10, 9, 8
    assert values["csat"] == pytest.approx(1)
    assert values["ces"] == pytest.approx(6)


HIDDEN = {"hidden_identifiers": {"customer": "customer_id", "email": "mail"}}


def test_what_was_answered_arrives(project: TestProject, typeform: TypeformService, address: str) -> None:
    connection = typeform.connection(address, **HIDDEN)
    project.reconfigure({"kpis": {"min_n": 1}, "connections": {"forms": connection}})
    check(project)


def test_it_arrives_on_postgresql_too(
    tmp_path: Path, typeform: TypeformService, address: str, project: TestProject
) -> None:
    (tmp_path / "other").mkdir()
    connection = typeform.connection(address, **HIDDEN)
    configuration = {"kpis": {"min_n": 1}, "connections": {"forms": connection}}
    with postgresql.warehouse() as warehouse:
        check(TestProject(tmp_path / "other", configuration, warehouse=warehouse))
