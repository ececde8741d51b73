"""A stream whose service works on an export: its task is deferred, looks again, and goes on."""

from __future__ import annotations

from pathlib import Path

from airflow_process import Script
from test_airflow_tasks import FLOW

RUN = (
    FLOW
    + """
from dataclasses import asdict
from cxflow.airflow.local_run import LocalAirflow
from cxflow.connect.patience import waits
from cxflow.errors import JobRunningError

def extract(settings, connection, stream, window, mode):
    calls[stream] += 1
    if waits():
        raise SourceError("it waits, and holds a worker")
    if calls[stream] < 3:
        problem = JobRunningError("the service is still working").at(connection, stream)
        problem.look_again_seconds = 0.01
        raise problem
    return BatchRef(connection, stream, "20260301-1", mode)

flow.streams = lambda settings, connection: ["a"]
flow.extract = extract
run = LocalAirflow(Path(sys.argv[1])).run("acme__shop", logical_date=datetime(2026, 3, 2, 2, tzinfo=UTC))
print(json.dumps({"run": asdict(run), "calls": calls}, default=str))
"""
)


def test_a_task_is_deferred_while_a_service_works_and_goes_on_without_a_retry(
    script: Script, project: Path
) -> None:
    found = script(RUN, project)
    # Tasks are not retried here: each further call comes after a deferral.
    assert (found["run"]["state"], found["run"]["failures"]) == ("success", {})
    assert found["calls"] == {"a": 3}
