"""SIGKILL before, after and within every durable step, and at random moments: the next run finishes, and the
warehouse is what it would have been. `make faults` does the same a thousand times per engine."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import fault_shop
import pytest
from fault_campaign import Campaign
from fault_checker import check
from fault_kills import Beginning, Outcome, kills
from fault_trip import TASKS, run

from cxflow.settings import Settings, load
from cxflow.warehouse import transactions

KILLS = {"duckdb": 60, "postgresql": 36}
"""Enough for every kind of point; `make faults` does a thousand on each engine, in every task."""
ON_A_SERVER = ("migrate", "window", "load", "identity", "kpis", "publish")
"""The tasks that read or write the warehouse: the others do the same whichever it is."""
BEGUN: dict[Beginning, int] = {(0, "bucket", "pages"): 4, (0, "folder", "interrupted pages"): 3}
"""Pulls with checkpoints to how many there are left: of four pages, or of three."""
SEED = 20260301


@pytest.fixture(scope="module", params=["duckdb", "postgresql"])
def campaign(request: pytest.FixtureRequest) -> tuple[Campaign, list[Outcome]]:
    kills = KILLS[request.param]
    if request.param == "duckdb":
        campaign = Campaign(None, SEED)
    else:
        campaign = Campaign(request.getfixturevalue("postgresql"), SEED, tasks=ON_A_SERVER)
    return campaign, campaign.run(kills)


def test_after_a_kill_the_next_run_finishes_and_nothing_is_lost_doubled_or_left(
    campaign: tuple[Campaign, list[Outcome]],
) -> None:
    found, outcomes = campaign
    assert len(outcomes) >= KILLS["postgresql" if found.tasks == ON_A_SERVER else "duckdb"]
    assert [outcome for outcome in outcomes if not outcome.is_clean] == []
    assert {outcome.kill.disk for outcome in outcomes} == {"kept", "wiped"}
    assert {outcome.kill.next_run for outcome in outcomes} == {"anew", "retry"}
    assert any(outcome.kill.point is None for outcome in outcomes), "some came at a random moment"
    if found.tasks != ON_A_SERVER:
        assert {"files", "pages", "interrupted pages"} == {outcome.kill.source for outcome in outcomes}


def test_the_points_are_found_before_and_after_every_durable_step(
    campaign: tuple[Campaign, list[Outcome]],
) -> None:
    found, outcomes = campaign
    steps = (
        "landing.write",
        "landing.manifest",
        "landing.move",
        "landing.sync",
        "landing.rename",
        "landing.cleanup",
    )
    steps += ("prepared.verdict", "prepared.move", "prepared.sync", "prepared.rename", "prepared.cleanup")
    steps += ("load.stage",)
    for task in ("migrate", "load", "identity", "kpis", "publish"):
        steps += (f"{task}.statement", f"{task}.commit")
    points = {point for recording in found.recordings.values() for point in recording.points}
    for step in steps:
        assert {f"{step}.1.before", f"{step}.1.after"} <= points
    assert {"landing.put.2.before", "landing.torn_file.1.half"} <= points, "an object store, and half a file"
    for beginning, checkpoints in BEGUN.items():
        passed = set(found.recordings[beginning].points)
        expected = {
            f"landing.checkpoint.{n + 1}.{end}" for n in range(checkpoints) for end in ("before", "after")
        }
        assert {point for point in passed if point.startswith("landing.checkpoint.")} == expected
        assert "landing.cleanup.1.after" in passed
    assert sum(point.startswith("load.statement.") for point in points) > 50
    assert {point.split(".")[0] for point in points} == set(TASKS)
    killed = {outcome.kill.task for outcome in outcomes}
    assert set(found.tasks) <= killed <= set(TASKS), "each task was killed"
    kinds = {kill.kind for kill in islice(kills(found.points, random.Random(SEED)), 1000)}
    assert ("landing.checkpoint of pages" in kinds) == ("landing" in found.tasks)
    assert kinds == {outcome.kill.kind for outcome in outcomes}, "at each kind of point"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    folder = tmp_path_factory.mktemp("settled")
    source = fault_shop.write(folder / "source")
    (folder / "cxflow.toml").write_text(fault_shop.configuration(source))
    settings = load(folder)
    for day in (0, 1):
        run(settings, day, folder / f"{day}.jsonl")
    return settings, source


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("DELETE FROM survey_response WHERE source_record_id = 'a7'", "a7 is None, the source says 7"),
        (
            "UPDATE survey_response SET rating_value = 1 WHERE source_record_id = 'a1'",
            "a1 is 1, the source says 10",
        ),
        ("DELETE FROM quarantine", "a13 was refused, and is not in quarantine"),
        (
            "INSERT INTO touchpoint SELECT * FROM touchpoint WHERE source_record_id = 'a8'",
            "a8 has 2 touchpoints",
        ),
        ("INSERT INTO kpi_value SELECT * FROM kpi_value LIMIT 1", "the key of kpi_value is not unique"),
        (
            "DELETE FROM source_record WHERE source_record_id = 'a9'",
            "registry and the touchpoints are not of the same",
        ),
        ("DELETE FROM load_run WHERE window_start IS NULL", "the ledger has 11 lines, the source 23"),
        ("UPDATE stream_state SET cursor = '{\"files\": {}}'", "the cursor does not hold the files"),
        ("UPDATE stream_state SET position = position - INTERVAL 1 DAY", "the cursor stands at"),
        (
            "INSERT INTO pending_kpi (table_name, day) VALUES ('touchpoint', '2026-03-01')",
            "pending_kpi is not empty",
        ),
        ("UPDATE customer SET segment = 'other'", "customer is not what it is undisturbed"),
    ],
)
def test_the_checker_sees_damage(settled: tuple[Settings, Path], damage: str, finding: str) -> None:
    from fault_checker import state

    settings, source = settled
    undisturbed = state(settings)
    before = check(settings, source, 1, undisturbed)
    assert (before.lost, before.duplicated, before.unbalanced) == ([], [], [])
    file = Path(str(transactions.warehouse_url(settings).database))
    content = file.read_bytes()
    try:
        with transactions.transaction(settings) as connection:
            connection.exec_driver_sql(damage)
        found = check(settings, source, 1, undisturbed)
        assert [line for line in (*found.lost, *found.duplicated, *found.unbalanced) if finding in line]
    finally:
        file.write_bytes(content)
