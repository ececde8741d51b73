"""Makes a project's DAGs from its `cxflow.toml`: one per connection, and one for the KPIs.

A DAG file is one call:

    from pathlib import Path
    from cxflow.airflow.factory import dags

    globals().update(dags(Path("/srv/cx")))

Airflow parses DAG files all the time, so nothing here opens a database, loads a plugin or imports a data library. The
streams of a connection are listed when its DAG runs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    Asset,
    CronDataIntervalTimetable,
    Param,
    TriggerRule,
    get_parsing_context,
    task_group,
)
from pydantic import ValidationError

from cxflow import settings as configuration
from cxflow.airflow import pool
from cxflow.airflow.notices import callbacks, deadlines
from cxflow.airflow.operators import (
    Announce,
    ComputeKpis,
    Extract,
    Load,
    Plan,
    Prepare,
    Publish,
    ResolveIdentity,
    ScoreTexts,
    TellAlerts,
)
from cxflow.errors import ConfigError
from cxflow.model.schedule import known_schedule
from cxflow.model.task_options import TaskOptions
from cxflow.settings import Settings

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Start date if `airflow.start` is not set: earlier than any backfill. There is no catch-up."""

_KPIS, _ALERTS = "kpis", "alerts"

_CONNECTION_DOC = """\
Loads **{connection}** of the project *{project}* into the warehouse: `plan` fixes one window per stream,
then each stream is extracted, prepared (conformed, validated) and loaded independently. A stream that fails
does not stop the others, but fails the run. At the end `announce` triggers the KPI DAG, if anything was loaded.

| run | window of each stream | cursor |
|---|---|---|
| scheduled | from its cursor, minus its look-back, to the data interval's end | moves |
| manual | the same, to the run's logical date, or to its start if it has none | moves |
| manual with `start`, `end` | exactly these; only `start`: to now; only `end`: from the beginning | stays |
| backfill | exactly the data interval | stays |

Transient errors (a lock, a network) are retried; all others fail the task at once, and say what to fix.
"""

_KPIS_DOC = """\
Runs after loads of the project *{project}*: links identifiers to customers, scores the texts that loads brought,
computes the KPIs of the periods that they touched, late data included, and updates the BI views.
Loads that end while it runs are processed by one further run.
"""

_ALERTS_DOC = """\
Looks for what somebody should act on in the project *{project}* (a stopped gate, a stream that is late, an odd volume,
many refused records, a KPI that changed or is late), and tells of what is new. `cxflow alerts` lists all.
"""


def dags(project: Path) -> dict[str, DAG]:
    """The DAGs of the project in a folder, by id: `<project>__<connection>` each, `<project>__kpis` and, if `[alerts]`
    has a schedule, `<project>__alerts`.

    In a worker, only the DAG of the current task is made. Raises ConfigError for a faulty `cxflow.toml`,
    which Airflow shows as an import error of the DAG file.
    """
    settings = configuration.load(project)
    wanted = get_parsing_context().dag_id
    for taken in {_KPIS, _ALERTS}.intersection(settings.connections):
        raise ConfigError(
            f"a connection cannot be called {taken}: its DAG would have the id of another one",
            connection=taken,
        )
    pool.of_accounts(settings)
    makers: dict[str, Callable[[Settings, str], DAG]] = dict.fromkeys(settings.connections, _connection_dag)
    makers[_KPIS] = _kpi_dag
    if settings.alerts.schedule is not None:
        makers[_ALERTS] = _alert_dag
    return {
        identifier: make(settings, name)
        for name, make in makers.items()
        if (identifier := dag_id(settings, name)) == wanted or wanted is None
    }


def dag_id(settings: Settings, name: str) -> str:
    """The id of a connection's DAG."""
    return f"{settings.project.name}__{name}"


def asset(settings: Settings, connection: str) -> Asset:
    """The asset that the loads of a connection update. Custom DAGs may be scheduled by it."""
    name = f"{settings.project.name}/{connection}"
    return Asset(name=name, uri=f"cxflow://{name}")


def _connection_dag(settings: Settings, connection: str) -> DAG:
    zone = settings.project.timezone
    account = pool.of_account(settings, connection)
    try:
        common = _common(settings, _options(settings, connection))
    except ConfigError as problem:
        raise problem.at(connection) from None
    with DAG(
        dag_id=dag_id(settings, connection),
        description=f"{connection}: extract, prepare and load every stream",
        doc_md=_CONNECTION_DOC.format(connection=connection, project=settings.project.name),
        schedule=CronDataIntervalTimetable(_schedule(settings, connection), timezone=zone),
        params={
            "start": _instant("From", "First instant of the window. With neither: like a scheduled run."),
            "end": _instant("Up to", "First instant after the window."),
        },
        **common,
    ) as dag:
        project = str(settings.folder)
        warehouse = _warehouse(settings)

        @task_group(group_id="streams")
        def streams(trip: Any) -> None:
            extract = Extract(
                task_id="extract",
                project=project,
                trip=trip,
                map_index_template="{{ task.trip['stream'] }}",
                **({"pool": account} if account else {}),
            )
            # The batch's reference contains the stream's name, which labels the rows of Airflow's grid.
            named = {"project": project, "map_index_template": "{{ task.batch['stream'] }}"}
            prepare = Prepare(task_id="prepare", batch=extract.output, **named)
            Load(task_id="load", batch=prepare.output, **named, **warehouse)

        plan = Plan(task_id="plan", project=project, connection=connection, **warehouse)
        streams.expand(trip=plan.output)
        loads = dag.get_task("streams.load").output
        Announce(task_id="announce", loads=loads, asset=asset(settings, connection)).as_teardown()
    return dag


def _kpi_dag(settings: Settings, name: str) -> DAG:
    assets = [asset(settings, connection) for connection in settings.connections]
    with DAG(
        dag_id=dag_id(settings, name),
        description="identity, words, KPIs and views, after loads",
        doc_md=_KPIS_DOC.format(project=settings.project.name),
        # Any of them, not all: a source that is down must not block the KPIs of the others.
        schedule=reduce(or_, assets) if assets else None,
        **_common(settings, settings.airflow),
    ) as dag:
        place = {"project": str(settings.folder), **_warehouse(settings)}
        identity = ResolveIdentity(task_id="identity", **place)
        words = ScoreTexts(task_id="words", **place)
        kpis = ComputeKpis(task_id="kpis", **place)
        # After the KPIs, so that the snapshot has them, even if one failed. `done` makes the run fail with either.
        publish = Publish(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, **place)
        identity >> words >> kpis >> publish
        [kpis, publish] >> EmptyOperator(task_id="done")
    return dag


def _alert_dag(settings: Settings, name: str) -> DAG:
    alerts = settings.alerts
    assert alerts.schedule is not None
    with DAG(
        dag_id=dag_id(settings, name),
        description="tells of what somebody should act on",
        doc_md=_ALERTS_DOC.format(project=settings.project.name),
        schedule=CronDataIntervalTimetable(alerts.schedule, timezone=settings.project.timezone),
        **_common(settings, settings.airflow),
    ) as dag:
        TellAlerts(
            task_id="tell",
            project=str(settings.folder),
            callbacks=callbacks(alerts.notify, "alerts.notify"),
            **_warehouse(settings),
        )
    return dag


def _options(settings: Settings, connection: str) -> TaskOptions:
    """How Airflow runs a connection's tasks."""
    try:
        own = TaskOptions.model_validate(settings.connections[connection].get("airflow", {}))
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in ("airflow", *first["loc"]))
        raise ConfigError(f"{place}: {first['msg']}", connection=connection, value=place) from None
    return own.over(settings.airflow)


def _common(settings: Settings, options: TaskOptions) -> dict[str, Any]:
    airflow = settings.airflow
    run = {
        "owner": options.owner,
        "queue": options.queue,
        "priority_weight": options.priority,
        "execution_timeout": options.timeout_seconds and timedelta(seconds=options.timeout_seconds),
        "executor_config": options.executor_config,
        **{
            f"{name}_callback": callbacks(getattr(options, name), name)
            for name in ("on_failure", "on_retry", "on_success")
        },
    }
    return {
        "start_date": _in_zone(airflow.start, settings.project.timezone) if airflow.start else EARLIEST,
        "catchup": False,
        "deadline": deadlines(options),
        "max_active_runs": 1,
        "tags": ["cxflow", settings.project.name, *options.tags],
        "default_args": {
            "retries": airflow.retries,
            "retry_delay": timedelta(seconds=airflow.retry_delay_seconds),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(hours=6),
            "report_url": airflow.report_url,
            **{name: value for name, value in run.items() if value},
        },
    }


def _warehouse(settings: Settings) -> dict[str, str]:
    """The pool for tasks that keep the warehouse open.

    Extract and Prepare only look something up in it, and wait for the file if they must (`busy_timeout_seconds`).
    """
    name = pool.needed(settings)
    return {"pool": name} if name else {}


def _schedule(settings: Settings, connection: str) -> str:
    settings.require_variables(connection, "schedule")
    cron = settings.connections[connection].get("schedule") or settings.airflow.schedule
    try:
        if isinstance(cron, str) and known_schedule(cron):
            return cron
        raise ValueError("it is not a text")
    except ValueError as problem:
        raise ConfigError(f"schedule: {problem}", connection=connection, value="schedule") from problem


def _instant(title: str, description: str) -> Param:
    return Param(None, type=["null", "string"], format="date-time", title=title, description=description)


def _in_zone(instant: datetime, zone: str) -> datetime:
    return (instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
