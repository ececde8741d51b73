"""What somebody should look at, found in a ledger that is written by hand; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cxflow.alerts import watch
from cxflow.alerts.alert import Alert
from cxflow.alerts.find import find
from cxflow.testing import TestProject
from cxflow.warehouse import tables as t
from cxflow.warehouse import transactions

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)  # Monday, 10:00 in Madrid
TREE: dict[str, Any] = {
    "project": {"timezone": "Europe/Madrid"},
    "connections": {
        name: {"connector": "files", "timezone": "UTC", "streams": {}} for name in ("desk", "shop")
    },
}
numbers = count(1)


class Ledger:
    """The ledger and the cursors of a project, written by hand."""

    def __init__(self, folder: Path, warehouse: dict[str, Any]) -> None:
        self.project = TestProject(folder, TREE, warehouse=warehouse)

    def set(self, **alerts: Any) -> None:
        self.project.reconfigure({**TREE, "alerts": alerts})

    def load(
        self,
        at: datetime,
        *,
        stream: str = "desk.calls",
        status: str = "loaded",
        mode: str = "scheduled",
        **counts: int,
    ) -> None:
        """A load that ended then, and read up to then."""
        system, name = stream.split(".")
        found = {
            **dict.fromkeys(
                ("inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined"), 0
            ),
            **counts,
        }
        run = f"run {next(numbers)}"
        row = {
            "run_id": run,
            "batch_id": f"batch of {at:%d %H:%M}",
            "source_system": system,
            "source_object": name,
            "mode": mode,
            "status": status,
            "window_end": at,
            "started_at": at,
            "finished_at": at,
            "extracted": sum(found.values()),
            "report": "{}",
            "plugin_version": "1",
            **found,
        }
        state = {
            "source_system": system,
            "source_object": name,
            "cursor": "{}",
            "position": at,
            "raw_columns": "{}",
            "run_id": run,
            "updated_at": at,
        }
        with transactions.transaction(self.project.settings) as connection:
            connection.execute(sa.insert(t.load_run), row)
            if status == "loaded" and mode == "scheduled":
                connection.execute(
                    sa.delete(t.stream_state).where(
                        t.stream_state.c.source_object == name, t.stream_state.c.source_system == system
                    )
                )
                connection.execute(sa.insert(t.stream_state), state)

    def add(self, table: sa.Table, **row: Any) -> None:
        with transactions.transaction(self.project.settings) as connection:
            connection.execute(sa.insert(table), row)

    def found(self, now: datetime = NOW) -> list[tuple[str, str, str]]:
        with transactions.transaction(self.project.settings) as connection:
            return [
                (each.kind, each.place, each.subject) for each in find(connection, self.project.settings, now)
            ]

    def text(self, now: datetime = NOW) -> str:
        with transactions.transaction(self.project.settings) as connection:
            (alert,) = find(connection, self.project.settings, now)
        return str(alert)


@pytest.fixture
def ledger(tmp_path: Path, new_warehouse: Callable[[], dict[str, Any]]) -> Ledger:
    return Ledger(tmp_path, new_warehouse())


def at(days_ago: float, hour: int = 3) -> datetime:
    return (NOW - timedelta(days=days_ago)).replace(hour=hour)


def test_nothing_loaded_is_nothing_to_look_at(ledger: Ledger) -> None:
    assert ledger.found() == []


def test_a_gate_is_closed_until_a_later_load_of_the_stream(ledger: Ledger) -> None:
    ledger.load(at(1), inserted=5)
    ledger.load(at(0), status="stopped", quarantined=5)
    assert ledger.found() == [("gate closed", "desk.calls", "batch of 02 03:00")]
    assert "cxflow run --dry-run --landed desk.calls" in ledger.text()
    ledger.load(at(0, 4), stream="desk.tickets", inserted=5)
    ledger.load(at(0, 4), mode="backfill", inserted=5)
    assert ledger.found() == [("gate closed", "desk.calls", "batch of 02 03:00")]
    ledger.load(at(0, 5), inserted=5)
    ledger.load(at(0, 6), mode="backfill", status="stopped", quarantined=5)
    assert ledger.found() == []


def test_a_stream_is_late_after_two_and_a_half_of_its_usual_gaps(ledger: Ledger) -> None:
    for days in (5, 4, 3, 2):
        ledger.load(at(days))
    assert ledger.found(at(0, 15) - timedelta(seconds=1)) == []  # 2.5 days after the last one, less a second
    assert ledger.found(at(0, 15) + timedelta(seconds=1)) == [("late", "desk.calls", "")]
    assert "loaded up to 2026-02-28 04:00, and not for 60 hours; more than 60 hours is late" in ledger.text(
        at(0, 15) + timedelta(seconds=1)
    )


def test_three_loads_do_not_tell_what_is_usual_but_a_setting_does(ledger: Ledger) -> None:
    for days in (30, 29, 28):
        ledger.load(at(days))
    assert ledger.found() == []
    ledger.set(max_age_hours=24 * 40)
    assert ledger.found() == []
    ledger.set(max_age_hours=24 * 40, max_age_hours_of={"desk": 48})
    assert ledger.found() == [("late", "desk.calls", "")]
    ledger.set(max_age_hours_of={"desk": 48, "desk.calls": 24 * 40})
    assert ledger.found() == []


def test_a_connection_that_ended_or_is_gone_has_no_alerts(ledger: Ledger) -> None:
    for days in (50, 49, 48, 47):
        ledger.load(at(days))
    ledger.load(at(20), status="stopped")
    assert {kind for kind, *_ in ledger.found()} == {"gate closed", "late"}
    ended = {**TREE["connections"], "desk": {**TREE["connections"]["desk"], "ended": True}}
    ledger.project.reconfigure({**TREE, "connections": ended})
    assert ledger.found() == []
    ledger.project.reconfigure({**TREE, "connections": {"shop": TREE["connections"]["shop"]}})
    assert ledger.found() == []


def test_an_odd_volume_of_the_last_whole_day_is_told(ledger: Ledger) -> None:
    for week in range(1, 5):
        ledger.load(at(1 + 7 * week), inserted=90, updated=10, unchanged=5000)  # Sundays
    ledger.load(at(1), inserted=40, unchanged=9000)
    ledger.load(at(0), inserted=40)  # today is not over
    assert ledger.found() == [("volume", "desk.calls", "2026-03-01")]
    assert "unusually few records were new or changed on 2026-03-01: 40; usual are 50 to 150" in ledger.text()
    ledger.load(at(1, 20), inserted=10)  # the same day, in the zone of the project
    assert ledger.found() == []
    ledger.load(at(1, 22), inserted=101)
    assert "unusually many" in ledger.text()
    ledger.load(at(1, 23), inserted=1000)  # 00:00 in Madrid: the next day
    assert "151;" in ledger.text()


def test_many_refusals_are_told_and_few_are_not(ledger: Ledger) -> None:
    for week in range(1, 5):
        ledger.load(at(1 + 7 * week), inserted=100, quarantined=4)
    ledger.load(at(1), inserted=100, quarantined=14)
    assert ledger.found() == []  # 4 and at least 10 more
    ledger.load(at(1, 5), quarantined=1)
    assert ledger.found() == [("refusals", "desk.calls", "2026-03-01")]
    assert "`cxflow quarantine list desk.calls`" in ledger.text()


@pytest.mark.parametrize(
    ("loaded", "pending", "published", "why"),
    [
        (False, False, False, "nothing was loaded today"),
        (True, True, False, "what was loaded is not computed"),
        (True, True, True, None),
        (True, False, False, None),
    ],
)
def test_kpis_are_late_after_their_time(
    ledger: Ledger, loaded: bool, pending: bool, published: bool, why: str | None
) -> None:
    ledger.set(kpis_by="09:30", max_age_hours=1000)
    ledger.load(at(0) if loaded else at(0, 22) - timedelta(days=1))
    if pending:
        ledger.add(t.pending_kpi, table_name="touchpoint", day=date(2026, 3, 1))
    if published:
        ledger.add(
            t.kpi_value,
            kpi="nps",
            version=1,
            grain="day",
            period_start=date(2026, 3, 1),
            dimension="",
            dimension_value="",
            as_of=at(0, 0),
            n=0,
            is_suppressed=False,
        )
    assert ledger.found(NOW - timedelta(hours=1)) == []  # 09:00 in Madrid
    assert ledger.found() == ([("KPIs late", "kpis", "2026-03-02")] if why else [])
    if why:
        assert why in ledger.text()


def test_a_kpi_that_changed_is_told_with_where_to_look(ledger: Ledger) -> None:
    ledger.add(
        t.kpi_definition,
        kpi="nps",
        version=1,
        title="Net Promoter Score",
        unit="points",
        formula="",
        interval_method="",
    )
    for month, value in ((1, 40.0), (2, 10.0)):
        ledger.add(
            t.kpi_value,
            kpi="nps",
            version=1,
            grain="month",
            period_start=date(2026, month, 1),
            dimension="",
            dimension_value="",
            as_of=NOW,
            n=1000,
            value=value,
            ci_low=value - 3,
            ci_high=value + 3,
            is_suppressed=False,
            is_complete=True,
        )
    assert ledger.found() == [("KPI changed", "nps", "month 2026-02-01")]
    assert ledger.text() == (
        "nps: Net Promoter Score went from 40 to 10 in the month of 2026-02-01 "
        "(`cxflow explain nps --period 2026-02 --against 2026-01`)"
    )


def test_an_alert_is_new_until_somebody_was_told_and_again_when_it_comes_back(ledger: Ledger) -> None:
    settings = ledger.project.settings
    ledger.load(at(0), status="stopped", quarantined=5)
    (first,) = watch.look(settings, NOW)
    (again,) = watch.look(settings, NOW + timedelta(hours=1))
    assert (first.is_told, again.is_told) == (False, False)
    assert (first.since, again.since) == (NOW, NOW)
    watch.told(settings, [again.alert], NOW + timedelta(hours=1))
    (known,) = watch.look(settings, NOW + timedelta(hours=2))
    assert known.is_told
    ledger.load(at(0, 11), inserted=1)
    assert watch.look(settings, NOW + timedelta(hours=3)) == []
    ledger.load(at(0, 12), status="stopped")
    (new,) = watch.look(settings, NOW + timedelta(hours=4))
    assert (new.is_told, new.since) == (False, NOW + timedelta(hours=4))


def test_being_told_of_an_alert_that_is_over_changes_nothing(ledger: Ledger) -> None:
    watch.told(ledger.project.settings, [Alert("late", "desk.calls", "", "")], NOW)
    assert watch.look(ledger.project.settings, NOW) == []
