"""The invented desk passes the suite that every connector must pass."""

from __future__ import annotations

from typing import Any

from invented_desk import TOKEN, Desk, ticket

from cxflow.testing import conformance


def _desk() -> Any:
    made = Desk([ticket(number, number) for number in range(1, 9)])
    made.archived = [ticket(number, 20, status="archived") for number in (3, 11, 12, 13)]
    for number in range(1, 9):
        made.comments[number] = [
            {"id": f"{number}-{place}", "written_at": "2026-03-10T00:00:00Z", "text": f"text {number} {place}"}
            for place in range(number % 4)
        ]
    return made.application()


TestInventedDesk = conformance(
    {"connector": "invented_desk", "account": "acme", "token": {"env": "DESK_TOKEN"}},
    service=_desk,
    project={"plugins": ["invented_desk"]},
    environment={"DESK_TOKEN": TOKEN},
)
