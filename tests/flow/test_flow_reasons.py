"""`[reasons]`: what systems call by several names is one reason, in rows and KPIs, also if it is declared later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cxflow import flow, sources
from cxflow.testing import TestProject

NAMES = {"entrega tardía": "late_delivery", "where is my order?": "late_delivery"}
CONTACTS: dict[str, list[tuple[str, str, str, str | None]]] = {
    # id, day, customer, reason
    "phone": [
        ("1", "01", "ana", "Entrega-Tardía"),
        ("2", "10", "ben", "late_delivery"),
        ("3", "28", "eve", None),
    ],
    "desk": [
        ("1", "03", "ana", " Where is my order? "),
        ("2", "12", "ben", "broken"),
        ("3", "28", "eve", "thanks"),
    ],
}


def stream(source: str) -> dict[str, Any]:
    contact = {
        "occurred_at": "said_at",
        "activity": "'contacted_support'",
        "channel": "'phone'",
        "reason": "reason",
    }
    return {
        "path": f"{source}.jsonl",
        "primary_key": ["id"],
        "pii": ["who"],
        "identifiers": {"email": "who"},
        "to": {"touchpoint": contact},
    }


@pytest.fixture
def desk(tmp_path: Path) -> TestProject:
    for source, contacts in CONTACTS.items():
        lines = [
            json.dumps(
                {
                    "id": id_,
                    "said_at": f"2026-03-{day}T10:00:00Z",
                    "who": f"{who}@example.org",
                    "reason": reason,
                }
            )
            for id_, day, who, reason in contacts
        ]
        (tmp_path / f"{source}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return TestProject(tmp_path, configuration())


def configuration(**more: Any) -> dict[str, Any]:
    connections = {
        source: {"connector": "files", "streams": {"contacts": stream(source)}} for source in CONTACTS
    }
    return {"connections": connections, "kpis": {"min_n": 1}, **more}


def reasons(project: TestProject) -> list[tuple[Any, ...]]:
    rows = project.rows("touchpoint", "source_system", "source_record_id", "reason")
    return sorted(rows, key=lambda row: row[:2])


def resolved(project: TestProject) -> tuple[float, int]:
    """First contact resolution of all time, and its contacts."""
    [found] = [
        row
        for row in project.rows("mart_kpi", "kpi", "grain", "dimension", "value", "n")
        if row[:3] == ("first_contact_resolution", "all", "")
    ]
    return found[3], found[4]


ONE_NAME = [
    ("desk", "1", "late_delivery"),
    ("desk", "2", "broken"),
    ("desk", "3", "thanks"),
    ("phone", "1", "late_delivery"),
    ("phone", "2", "late_delivery"),
    ("phone", "3", None),
]


def test_two_names_are_one_reason(desk: TestProject) -> None:
    desk.reconfigure(configuration(reasons=NAMES))
    desk.run()
    desk.settle()
    assert reasons(desk) == ONE_NAME
    # Ana asked twice about the late delivery. Eve's week is not over.
    assert resolved(desk) == (0.75, 4)


def test_without_a_declaration_each_name_is_a_reason(desk: TestProject) -> None:
    desk.run()
    desk.settle()
    assert ("phone", "1", "Entrega-Tardía") in reasons(desk)
    assert resolved(desk) == (1.0, 4)


def test_rows_of_before_the_declaration_are_named_and_mapped_again(desk: TestProject) -> None:
    desk.run()
    desk.settle()
    places = [("desk", "contacts"), ("phone", "contacts")]
    assert not list(sources.outdated(desk.settings, places))
    desk.reconfigure(configuration(reasons=NAMES))
    assert sorted(sources.outdated(desk.settings, places)) == places
    for place in places:
        flow.remap(desk.settings, *place)
    assert reasons(desk) == ONE_NAME
    desk.settle()
    assert resolved(desk) == (0.75, 4)
    assert not list(sources.outdated(desk.settings, places))
