"""The kit, on the built-in connector, into each database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trip_bench import NewWarehouse

from cxflow.testing import conformance


def write_sample(folder: Path) -> None:
    """One file of three answers, delivered on 2 March 2026."""
    exports = folder / "exports"
    exports.mkdir()
    path = exports / "answers-2026-03-02.csv"
    path.write_text(
        "id,score,email,answered\n"
        "1,9,ada@example.org,2026-03-01T10:00:00Z\n"
        "2,4,bob@example.org,2026-03-01T11:00:00Z\n"
        "3,10,eve@example.org,2026-03-01T12:00:00Z\n"
    )
    os.utime(path, (1772409600, 1772409600))


Files = conformance(
    connection={
        "connector": "files",
        "root": "exports",
        "streams": {
            "answers": {
                "path": "answers-{date}.csv",
                "primary_key": ["id"],
                "identifiers": {"email": "email"},
                "pii": ["email"],
                "to": {
                    "touchpoint": {
                        "activity": "'answered_survey'",
                        "channel": "'email'",
                        "occurred_at": "answered",
                    },
                    "survey_response": {
                        "response_id": "id",
                        "question_id": "'nps'",
                        "metric_type": "'nps'",
                        "rating_value": "score",
                        "responded_at": "answered",
                    },
                },
            }
        },
    },
    source=write_sample,
)


class TestFiles(Files):
    @pytest.fixture
    def new_warehouse(self, new_warehouse: NewWarehouse) -> NewWarehouse:
        return new_warehouse
