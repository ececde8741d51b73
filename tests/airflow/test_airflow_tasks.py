"""The tasks over a stand-in of `cxflow.flow`: what they pass on, what they try again, what stops what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow_process import TOML, Script, run_script

# A flow without data: stream b of the connection "halting" has a faulty source, c a weak network.
FLOW = """
import json, sys, types
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
import cxflow
from cxflow.errors import AccountingError, ConfigError, FatalError, GateClosedError, SchemaError
from cxflow.errors import SourceError, TransientError, WarehouseBusyError
from cxflow.model.batch import BatchRef, Counts
from cxflow.model.window import Window

calls = Counter()

@dataclass
class Report:
    counts: Counts
    rules: dict
    secret: str = "maria@example.com"

@dataclass
class KpiReport:
    computed: int
    failed: dict
    problems: list

def compute_kpis(settings):
    calls["kpis", "computed"] += 1
    broken = calls["kpis", "computed"] == 1 and sys.argv[-1] == "broken kpi"
    problems = [ConfigError("the KPI nps could not be computed: no scale")] if broken else []
    return KpiReport(3, {"nps": "no scale"} if broken else {}, problems)

def extract(settings, connection, stream, window, mode):
    calls[connection, stream] += 1
    if connection == "halting" and stream == "b":
        raise SourceError("the header changed").at(connection, stream)
    if connection == "halting" and stream == "c" and calls[connection, stream] == 1:
        raise TransientError("no network").at(connection, stream)
    return BatchRef(connection, stream, "20260301-1", mode)

flow = types.ModuleType("cxflow.flow")
flow.streams = lambda settings, connection: ["a", "b", "c"]
flow.scheduled_window = lambda settings, connection, stream, end: Window(end - timedelta(days=2), end)
flow.extract = extract
flow.prepare = lambda settings, batch: batch
flow.load = lambda settings, batch: Report(Counts(extracted=3, inserted=2, quarantined=1), {"cast": 1})
flow.resolve_identity = lambda settings: None
flow.score_texts = lambda settings: None
flow.compute_kpis = compute_kpis
flow.publish = lambda settings: ["mart_kpi"]

@dataclass(frozen=True)
class Known:
    alert: str
    is_told: bool

told = {"desk.calls: late"}  # of two alerts, somebody was told of one
flow.alerts = lambda settings: [Known(each, each in told) for each in ("desk.calls: late", "nps: changed")]
flow.alerts_told = lambda settings, some: told.update(some)
sys.modules["cxflow.flow"] = cxflow.flow = flow
"""

TOLD = """
import json
from pathlib import Path

def failed(context, channel, mentions):
    task = context["task_instance"]
    with Path(__file__).with_name("told.jsonl").open("a") as file:
        file.write(json.dumps([task.task_id, task.dag_id, channel, mentions]) + "\\n")

def alerted(context, channel):
    with Path(__file__).with_name("alerted.jsonl").open("a") as file:
        file.write(json.dumps([channel, context["ti"].task_id, context["alerts"]]) + "\\n")
"""
NOTICES = """
[[connections.halting.airflow.on_failure]]
call = "team_notices.failed"
channel = "#cx"
mentions = ["ada", "ben"]

[alerts]
schedule = "0 7 * * *"

[[alerts.notify]]
call = "team_notices.alerted"
channel = "#cx"
"""

RUNS = (
    FLOW
    + """
sys.path.insert(0, sys.argv[1])
from cxflow.airflow.local_run import LocalAirflow
from dataclasses import asdict

began_at = datetime.now(UTC).isoformat()
seen = []
airflow = LocalAirflow(Path(sys.argv[1]), watch=lambda *step: seen.append(step))
day = datetime(2026, 3, 2, 2, tzinfo=UTC)
runs = [
    airflow.run("acme__shop", logical_date=day),
    airflow.run("acme__shop", conf={"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}),
    airflow.run("acme__shop", conf={"start": "2026-01-01"}),
    airflow.run("acme__halting"),
    airflow.run("acme__kpis"),
    airflow.run("acme__shop", logical_date=day + timedelta(days=1)),
]
for task in airflow.dags["acme__halting"].tasks:
    task.retries, task.retry_delay = 2, timedelta(seconds=0.1)
calls.clear()
runs.append(airflow.run("acme__halting", logical_date=day))
halted = {".".join(key): n for key, n in calls.items()}
calls.clear()
sys.argv.append("broken kpi")
runs.append(airflow.run("acme__kpis"))
runs += [airflow.run("acme__alerts"), airflow.run("acme__alerts")]

from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

with create_session() as session:
    xcoms = [
        {"run": item.run_id, "task": item.task_id, "index": item.map_index, "value": item.value}
        for item in session.scalars(select(XComModel))
    ]
    states = [
        [item.run_id, item.task_id, item.rendered_map_index, str(item.state)]
        for item in session.scalars(select(TaskInstance))
    ]
    events = [[item.source_run_id, item.extra] for item in session.scalars(select(AssetEvent))]
    shown = {
        item.run_id: [item.logical_date.isoformat(), item.duration, item.start_date.isoformat()]
        for item in session.scalars(select(DagRun))
    }
    slots = [Pool.get_pool(name, session=session).slots for name in ("cxflow_duckdb", "halting_account")]
print(json.dumps({
    "runs": [asdict(run) for run in runs], "xcoms": xcoms, "states": states, "events": events,
    "shown": shown, "slots": slots, "seen": seen, "calls": halted, "began_at": began_at,
}, default=str))
"""
)

ERRORS = (
    FLOW
    + """
from cxflow.airflow.retries import final_if_fatal

def seen_by_airflow(problem):
    try:
        with final_if_fatal():
            raise problem.at("shop", "orders") if hasattr(problem, "at") else problem
    except Exception as seen:
        return [type(seen).__name__, str(seen), seen.__suppress_context__]

kinds = [TransientError, WarehouseBusyError, FatalError, ConfigError, SourceError,
         GateClosedError, AccountingError, SchemaError, OSError]
seen = {kind.__name__: seen_by_airflow(kind("out of order")) for kind in kinds}

from cxflow.airflow.operators import Load, Prepare

def refuse(settings, batch):
    raise GateClosedError("the gate stopped it").at("shop", "orders")

flow.prepare = flow.load = refuse
Path(sys.argv[1], "cxflow.toml").write_text("")
for operator in (Prepare, Load):
    try:
        reference = BatchRef("shop", "orders", "20260301-1").as_json()
        operator(task_id="task", project=sys.argv[1], batch=reference).execute({})
    except Exception as problem:
        seen[operator.__name__] = [type(problem).__name__, str(problem), problem.__suppress_context__]
print(json.dumps(seen))
"""
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Ten runs in one process, because Airflow takes seconds to begin."""
    folder = tmp_path_factory.mktemp("stand-in")
    halting = '[connections.halting]\nconnector = "files"\npool = "halting_account"\npool_slots = 5\n'
    (folder / "cxflow.toml").write_text(TOML + halting + NOTICES)
    (folder / "team_notices.py").write_text(TOLD)
    found: dict[str, Any] = run_script(folder, RUNS, folder)
    for name in ("told", "alerted"):
        found[name] = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return found


def values(outcome: dict[str, Any], run: int, task: str) -> list[Any]:
    run_id = outcome["runs"][run]["run_id"]
    found = [item for item in outcome["xcoms"] if (item["run"], item["task"]) == (run_id, task)]
    return [item["value"] for item in sorted(found, key=lambda item: item["index"])]


def states(outcome: dict[str, Any], run: int) -> dict[str, str]:
    run_id = outcome["runs"][run]["run_id"]
    return {
        f"{task} {stream}".strip(): state
        for owner, task, stream, state in ((s[0], s[1], s[2] or "", s[3]) for s in outcome["states"])
        if owner == run_id
    }


def test_a_dated_run_reads_each_stream_from_its_cursor_to_that_date(outcome: dict[str, Any]) -> None:
    window = {"start": "2026-02-28T02:00:00+00:00", "end": "2026-03-02T02:00:00+00:00"}
    assert outcome["runs"][0]["state"] == "success"
    assert values(outcome, 0, "plan") == [
        [{"connection": "shop", "stream": s, "mode": "scheduled", "window": window} for s in "abc"]
    ]


def test_a_run_with_start_and_end_is_a_backfill_of_exactly_that(outcome: dict[str, Any]) -> None:
    (trips,) = values(outcome, 1, "plan")
    assert {trip["mode"] for trip in trips} == {"backfill"}
    assert trips[0]["window"] == {"start": "2026-01-01T00:00:00+00:00", "end": "2026-02-01T00:00:00+00:00"}


def test_a_run_for_a_past_day_shows_as_long_as_it_took(outcome: dict[str, Any]) -> None:
    assert outcome["shown"][outcome["runs"][0]["run_id"]][0] == "2026-03-02T02:00:00+00:00"
    for run in outcome["runs"]:
        _, shown_seconds, start = outcome["shown"][run["run_id"]]
        assert 0 < shown_seconds <= run["seconds"]
        assert start > outcome["began_at"]


def test_a_run_forgets_the_params_of_the_one_before(outcome: dict[str, Any]) -> None:
    (trips,) = values(outcome, 5, "plan")
    assert {trip["mode"] for trip in trips} == {"scheduled"}
    assert trips[0]["window"]["end"] == "2026-03-03T02:00:00+00:00"


def test_a_start_without_offset_fails_at_once_and_names_the_connection(outcome: dict[str, Any]) -> None:
    run = outcome["runs"][2]
    assert run["state"] == "failed"
    assert run["failures"] == {
        "plan": "ConfigError: shop: start has no offset: '2026-01-01' "
        "(end it with Z or with an offset such as +02:00)"
    }


def test_xcom_carries_references_and_counts_only(outcome: dict[str, Any]) -> None:
    batch = {"connection": "shop", "stream": "a", "batch_id": "20260301-1", "mode": "scheduled"}
    counts = {"extracted": 3, "inserted": 2, "updated": 0, "unchanged": 0}
    counts |= {"deleted": 0, "deduplicated": 0, "quarantined": 1}
    assert values(outcome, 0, "streams.extract")[0] == batch
    assert values(outcome, 0, "streams.prepare")[0] == batch
    assert values(outcome, 0, "streams.load")[0] == {**batch, "counts": counts}
    assert values(outcome, 0, "announce") == [{name: 3 * number for name, number in counts.items()}]
    assert values(outcome, 4, "publish") == [["mart_kpi"]]
    assert "maria" not in str(outcome["xcoms"])


def test_a_failing_stream_stops_no_other_and_fails_the_run(outcome: dict[str, Any]) -> None:
    run = outcome["runs"][3]
    assert run["state"] == "failed"
    assert run["failures"]["extract (b)"] == "SourceError: halting.b: the header changed"
    assert states(outcome, 3)["streams.load a"] == "success"
    assert states(outcome, 3)["announce"] == "success"


def test_a_failed_kpi_fails_the_run_and_not_the_views(outcome: dict[str, Any]) -> None:
    run = outcome["runs"][7]
    assert run["state"] == "failed"
    assert run["failures"] == {"kpis": "ConfigError: the KPI nps could not be computed: no scale"}
    assert values(outcome, 7, "publish") == [["mart_kpi"]]
    assert values(outcome, 4, "kpis") == [{"computed": 3}]


def test_what_was_loaded_is_announced_once_a_run(outcome: dict[str, Any]) -> None:
    shop, _, refused, halting, _, _, again, *_ = (run["run_id"] for run in outcome["runs"])
    announced = [run_id for run_id, _ in outcome["events"]]
    assert announced.count(shop) == announced.count(halting) == announced.count(again) == 1
    assert refused not in announced


def test_a_transient_error_is_tried_again_and_a_fatal_one_is_not(outcome: dict[str, Any]) -> None:
    assert outcome["calls"] == {"halting.a": 1, "halting.b": 1, "halting.c": 2}
    assert states(outcome, 6)["streams.load c"] == "success"


def test_the_watch_and_the_pool(outcome: dict[str, Any]) -> None:
    assert outcome["seen"][0] == ["acme__shop", "", "plan"]
    assert ["acme__shop", "a", "extract"] in outcome["seen"]
    assert outcome["slots"] == [1, 5]


def test_a_team_is_told_once_of_each_alert(outcome: dict[str, Any]) -> None:
    assert outcome["alerted"] == [["#cx", "tell", ["nps: changed"]]]
    assert values(outcome, 8, "tell") == [{"alerts": 2, "new": 1}]
    assert values(outcome, 9, "tell") == [{"alerts": 2, "new": 0}]


def test_a_team_is_told_of_the_failures_of_its_connection(outcome: dict[str, Any]) -> None:
    # Twice a faulty source, once a weak network, and the loads of none of them; a failed KPI is another DAG's.
    assert {tuple(each[:2]) for each in outcome["told"]} == {("streams.extract", "acme__halting")}
    assert all(each[2:] == ["#cx", ["ada", "ben"]] for each in outcome["told"])
    failed = [s for s in outcome["states"] if s[1] == "streams.extract" and s[3] == "failed"]
    assert len(outcome["told"]) == len(failed) > 0


def test_which_errors_airflow_tries_again(script: Script, tmp_path: Path) -> None:
    seen = script(ERRORS, tmp_path)
    for task in ("Prepare", "Load"):
        kind, message, cause_hidden = seen.pop(task)
        assert (kind, cause_hidden) == ("AirflowFailException", True)
        first, then = message.split("\n")
        assert first == "GateClosedError: shop.orders: the gate stopped it"
        assert "Once the source is fixed, clear the stream's task `extract`" in then
    assert seen.pop("TransientError") == ["TransientError", "shop.orders: out of order", True]
    assert seen.pop("WarehouseBusyError") == ["WarehouseBusyError", "shop.orders: out of order", True]
    kind, message, cause_hidden = seen.pop("OSError")
    assert (kind, cause_hidden) == ("UnexpectedError", True)
    assert message.startswith("OSError at <string>:")
    assert "out of order" not in message  # nobody knows whose words these are
    for kind, (airflows, message, cause_hidden) in seen.items():
        assert (airflows, cause_hidden) == ("AirflowFailException", True)
        assert message == f"{kind}: shop.orders: out of order"


def test_a_second_project_in_one_process_is_refused(script: Script, project: Path, tmp_path: Path) -> None:
    code = """
import json, sys
from pathlib import Path
import airflow
from cxflow.airflow.local_run import LocalAirflow
from cxflow.errors import FatalError
try:
    LocalAirflow(Path(sys.argv[1]))
except FatalError as problem:
    print(json.dumps(str(problem)))
"""
    assert "a process per project" in script(code, project)
