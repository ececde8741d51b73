"""The kit, on the built-in connector, into each database."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest
from trip_bench import NewWarehouse

from cxflow.errors import FatalError
from cxflow.testing import TestProject, conformance
from cxflow.testing.sample import opened


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
    @pytest.fixture(scope="class")
    @classmethod
    def new_warehouse(cls, new_warehouse: NewWarehouse) -> NewWarehouse:
        return new_warehouse


LEDGER = """
from datetime import UTC, datetime

from cxflow import Connector, Page, Reject, Stream, hookimpl

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Ledger(Connector):
    name = "invented_ledger"
    title = "Entries, two a page"
    declared = (
        Stream(
            name="entries",
            primary_key=("id",),
            pii=("mail",),
            to={"touchpoint": {"activity": "'called_support'", "channel": "'web'", "occurred_at": "at"}},
        ),
    )

    def read(self, stream, window, cursor):
        return (yield from self._pages(window, 0))
RESUME
    def _pages(self, window, first):
        for page in range(first, 4):
            records = [
                {"id": 2 * page + i, "mail": f"someone-{page}@example.org", "at": AT.isoformat()} for i in (0, 1)
            ]
            yield Page("/entries", AT, records, [Reject("why", f"raw {page}")], CHECKPOINT)
        return {"until": window.end.isoformat()}


@hookimpl
def cxflow_connectors():
    return [Ledger]
"""
RESUME = """
    def resume(self, stream, window, cursor, checkpoint):
        return (yield from self._pages(window, checkpoint["page"]))
"""
RESUMES = "test_an_interrupted_reading_resumes_after_its_last_checkpoint"


def ledger(tmp_path: Path, name: str, resume: str, checkpoint: str) -> None:
    """Put a connector through the suite's test of breaks, as a plugin's author would."""
    (tmp_path / f"{name}.py").write_text(LEDGER.replace("RESUME", resume).replace("CHECKPOINT", checkpoint))
    suite = conformance({"connector": "invented_ledger"}, project={"plugins": [name]})
    numbers = count()

    def folder() -> Path:
        found = tmp_path / str(next(numbers))
        found.mkdir()
        (found / f"{name}.py").write_text((tmp_path / f"{name}.py").read_text())
        return found

    with opened(suite.kit, folder) as sample:
        getattr(suite(), RESUMES)(sample)


def test_a_connector_that_resumes_passes(tmp_path: Path) -> None:
    ledger(tmp_path, "ledger_right", RESUME, '{"page": page + 1}')


def test_one_without_checkpoints_passes(tmp_path: Path) -> None:
    ledger(tmp_path, "ledger_plain", "", "None")


@pytest.mark.parametrize(
    ("name", "resume", "checkpoint", "says"),
    [
        ("skips", RESUME, '{"page": page + 2}', "entries, resumed after checkpoint 1, differs"),
        ("repeats", RESUME, '{"page": page}', "entries, resumed after checkpoint 1, differs"),
        ("never", RESUME, "None", "no page of it has a checkpoint"),
        ("tells", RESUME, '{"page": page + 1, "last": records[-1]["mail"]}', "holds personal data"),
        (
            "anew",
            RESUME.replace(
                "return",
                'from cxflow import StaleCheckpointError; raise StaleCheckpointError("?")\n        return',
            ),
            '{"page": page + 1}',
            "reads from the start",
        ),
        (
            "forgets",
            RESUME.replace("return (", "(") + "        return {}\n",
            '{"page": page + 1}',
            "entries, resumed after checkpoint",
        ),
    ],
)
def test_one_that_resumes_elsewhere_fails(
    tmp_path: Path, name: str, resume: str, checkpoint: str, says: str
) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception), match=says):
        ledger(tmp_path, f"ledger_{name}", resume, checkpoint)


def test_one_that_yields_checkpoints_and_cannot_resume_is_named(tmp_path: Path) -> None:
    name = "ledger_without"
    (tmp_path / f"{name}.py").write_text(LEDGER.replace("RESUME", "").replace("CHECKPOINT", '{"page": page}'))
    configuration = {"plugins": [name], "connections": {"sample": {"connector": "invented_ledger"}}}
    with pytest.raises(
        FatalError, match=r"sample\.entries: .* yields checkpoints and has no method `resume`"
    ):
        TestProject(tmp_path, configuration).run()
