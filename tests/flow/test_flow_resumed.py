"""A run that dies in mid-pull, and the next ones: what they load is what runs without a break load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cxflow import flow, sources
from cxflow.cli.outcome import Load
from cxflow.errors import TransientError
from cxflow.model.batch import BatchRef
from cxflow.model.window import Window
from cxflow.testing import TestProject
from cxflow.warehouse import ledger

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)

HOURS = """
from datetime import UTC, datetime, timedelta

from cxflow import Connector, Page, Reject, Stream, TransientError, hookimpl

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class Hours(Connector):
    name = "invented_hours"
    title = "A visit and something unreadable each hour, a page of six hours"
    declared = (
        Stream(
            name="visits",
            primary_key=("id",),
            to={"touchpoint": {"activity": "'made_visit'", "channel": "'web'", "occurred_at": "seen"}},
        ),
    )

    def read(self, stream, window, cursor):
        return (yield from self._pages(window, 0, cursor))

    def resume(self, stream, window, cursor, checkpoint):
        return (yield from self._pages(window, checkpoint["page"], cursor))

    def _pages(self, window, first, cursor):
        hours = [BEGIN + timedelta(hours=n) for n in range(72)]
        known = [at for at in hours if at in window]
        for page in range(first, (len(known) + 5) // 6):
            broken = self.settings.folder / "broken"
            if broken.exists() and broken.read_text() == str(page):
                broken.unlink()
                raise TransientError("the service is down")
            with (self.settings.folder / "asked").open("a") as file:
                file.write(f"{page} ")
            of_page = known[page * 6 : page * 6 + 6]
            records = [{"id": at.isoformat(), "seen": at.isoformat()} for at in of_page]
            yield Page("/visits", of_page[0], records, [Reject("why", "raw")], {"page": page + 1})
        return {"runs": (cursor or {}).get("runs", 0) + 1}


@hookimpl
def cxflow_connectors():
    return [Hours]
"""


def project(folder: Path) -> TestProject:
    folder.mkdir()
    (folder / "invented_hours.py").write_text(HOURS)
    tree = {
        "plugins": ["invented_hours"],
        "landing": {"checkpoint_seconds": 0},
        "quality": {"max_rejected_share": 1},
        "connections": {"shop": {"connector": "invented_hours"}},
    }
    return TestProject(folder, tree)


def asked(project: TestProject) -> list[int]:
    """Which pages the service was asked for since the last call."""
    path = project.folder / "asked"
    found = [int(page) for page in path.read_text().split()]
    path.unlink()
    return found


@pytest.fixture
def broken(tmp_path: Path) -> TestProject:
    """A project whose first run has died before its third page of four."""
    made = project(tmp_path / "broken")
    (made.folder / "broken").write_text("2")
    with pytest.raises(TransientError, match=r"shop\.visits: the service is down"):
        made.run(end=FIRST)
    assert asked(made) == [0, 1]
    assert made.query("SELECT count(*) FROM load_run") == [(0,)]
    return made


def test_the_run_after_one_that_died_loads_its_window_and_the_next_one_the_rest(
    broken: TestProject, tmp_path: Path
) -> None:
    report = broken.run(end=SECOND)["shop.visits"]

    assert asked(broken) == [2, 3]
    assert report.window == Window(None, FIRST), "what the first run had been asked for"
    assert Load(report, report.window).as_json()["window"] == {"start": None, "end": FIRST.isoformat()}
    assert (report.counts.extracted, report.counts.inserted, report.counts.quarantined) == (28, 24, 4)
    assert report.notes["resumed_at"] == 14
    assert ledger.position(broken.settings, "shop", "visits") == FIRST
    assert ledger.cursor(broken.settings, "shop", "visits") == {"runs": 1}

    report = broken.run(end=SECOND)["shop.visits"]

    assert asked(broken) == [0, 1, 2, 3]
    assert report.window == Window(FIRST, SECOND)
    assert "resumed_at" not in report.notes
    assert broken.books_balance()
    undisturbed = project(tmp_path / "undisturbed")
    for end in (FIRST, SECOND):
        undisturbed.run(end=end)
    assert broken.digest() == undisturbed.digest()
    assert ledger.cursor(broken.settings, "shop", "visits") == {"runs": 2}


def test_a_run_that_died_before_its_load_is_not_resumed_again_but_loads_its_batch(
    broken: TestProject,
) -> None:
    """What is left of the pull goes with its batch."""
    window = Window(None, FIRST)
    batch = flow.extract(broken.settings, "shop", "visits", window, "scheduled")
    assert asked(broken) == [2, 3]
    assert [path.name for path in (broken.folder / "landing" / "shop" / "visits").iterdir()] == [
        batch.batch_id
    ]
    report = flow.load(broken.settings, flow.prepare(broken.settings, BatchRef.from_json(batch.as_json())))
    assert report.counts.inserted == 24


def test_two_runs_that_resume_one_pull_load_it_once(broken: TestProject) -> None:
    window = Window(None, FIRST)
    settings = broken.settings
    kept = broken.folder / "landing" / "shop" / "visits"
    [folder] = kept.iterdir()
    checkpoint = {path.name: path.read_bytes() for path in folder.iterdir()}
    batches = [flow.extract(settings, "shop", "visits", window, "scheduled")]
    folder.mkdir()  # the other worker had seen it before
    for name, content in checkpoint.items():
        (folder / name).write_bytes(content)
    batches.append(flow.extract(settings, "shop", "visits", window, "scheduled"))
    assert asked(broken) == [2, 3, 2, 3]
    first, second = (flow.load(settings, flow.prepare(settings, batch)).counts for batch in batches)
    assert (first.inserted, first.quarantined) == (24, 4)
    assert (second.inserted, second.unchanged, second.quarantined) == (0, 24, 4)


def test_a_rehearsal_does_not_touch_what_is_kept(broken: TestProject) -> None:
    before = sorted(path for path in (broken.folder / "landing").rglob("*"))
    tried = sources.try_first(broken.settings, "shop", "visits", Window(None, FIRST), "scheduled", records=8)
    assert tried.rows == {"touchpoint": 8}
    assert asked(broken) == [0, 1]
    assert sorted(path for path in (broken.folder / "landing").rglob("*")) == before
