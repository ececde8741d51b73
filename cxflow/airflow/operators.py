"""One operator per function of `cxflow.flow`. The factory puts them together; a DAG of your own may, too.

An operator is light when a DAG file is parsed: `cxflow.flow` and the data libraries behind it, seconds of
imports, come in where it runs. It passes on references only (windows, batch references, counts), no records.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.log import mask_secret

from cxflow import redaction
from cxflow import settings as configuration
from cxflow.airflow.intent import Intent, intent
from cxflow.airflow.retries import final_if_fatal
from cxflow.errors import ConfigError
from cxflow.model.batch import BatchRef, Counts
from cxflow.model.window import Window
from cxflow.settings import Settings

Json = dict[str, Any]
"""What XCom carries."""


class FlowOperator(BaseOperator):
    """A task that calls `cxflow.flow` for the project in a folder."""

    ui_color = "#e8f0fe"

    def __init__(self, *, project: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = project

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Load the settings and act; which errors are final is said in `retries`. Airflow masks what it is told in
        every line that a task writes, also by loggers that are not the standard library's."""
        redaction.tell(mask_secret)
        with final_if_fatal():
            return self.act(configuration.load(Path(self.project)), context)

    @abstractmethod
    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Any:
        """The task's work. What it returns goes to XCom."""


class Plan(FlowOperator):
    """List a connection's streams, and fix the window of each before anything is read.

    Returns one trip per stream: `{"connection", "stream", "mode", "window": {"start", "end"}}`.
    """

    def __init__(self, *, connection: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection = connection

    def act(self, settings: Settings, context: Mapping[str, Any]) -> list[Json]:
        from cxflow import flow

        meant = self._intent(context)
        trips = []
        for stream in flow.streams(settings, self.connection):
            window = (
                flow.scheduled_window(settings, self.connection, stream, end=meant.end)
                if meant.mode == "scheduled"
                else Window(meant.start, meant.end)
            )
            trip = {"connection": self.connection, "stream": stream, "mode": meant.mode}
            trips.append({**trip, "window": window.as_json()})
        return trips

    def _intent(self, context: Mapping[str, Any]) -> Intent:
        run = context["dag_run"]
        # What a run by hand stands for; a date in the future would move cursors past records still to come.
        now = min(run.logical_date, run.start_date) if run.logical_date else run.start_date
        # Airflow's enum in a worker, whose str() is not its value; text elsewhere.
        run_type = getattr(run.run_type, "value", run.run_type)
        try:
            return intent(run_type, run.data_interval_start, run.data_interval_end, context["params"], now)
        except ConfigError as problem:
            raise problem.at(self.connection) from None


class Extract(FlowOperator):
    """Land one stream's window as a raw batch. Returns the batch's reference."""

    template_fields = ("trip",)

    def __init__(self, *, trip: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trip = trip

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        trip = self.trip
        window = Window.from_json(trip["window"])
        batch = flow.extract(settings, trip["connection"], trip["stream"], window, trip["mode"])
        return dict(batch.as_json())


class Prepare(FlowOperator):
    """Conform and validate a landed batch. Returns its reference."""

    template_fields = ("batch",)

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch = batch

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        return dict(flow.prepare(settings, BatchRef.from_json(self.batch)).as_json())


class Load(FlowOperator):
    """Load a prepared batch in one transaction. Returns its reference and its books, in source records."""

    template_fields = ("batch",)

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch = batch

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        batch = BatchRef.from_json(self.batch)
        return {**batch.as_json(), "counts": asdict(flow.load(settings, batch).counts)}


class Announce(BaseOperator):
    """Tell the DAGs that wait for an asset that something was loaded: once a run, when every stream is done.

    A teardown, so that it also runs after failures and never makes a failed run look successful. Where no
    stream was loaded it is skipped, and nobody is told. Returns the books of all streams together, in source
    records.
    """

    template_fields = ("loads",)

    def __init__(self, *, loads: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.loads = loads
        self.asset = asset

    def execute(self, context: Mapping[str, Any]) -> Json:
        """Sum up and announce."""
        # Airflow hands over the only one of several mapped results bare.
        loads = [self.loads] if isinstance(self.loads, dict) else list(self.loads or ())
        if not loads:
            raise AirflowSkipException("no stream was loaded")
        books = asdict(sum((Counts(**load["counts"]) for load in loads), Counts()))
        context["outlet_events"][self.asset].extra = books
        return books


class ResolveIdentity(FlowOperator):
    """Link the identifiers that loads brought into customers. Returns counts."""

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        return _numbers(flow.resolve_identity(settings))


class ComputeKpis(FlowOperator):
    """Compute the KPIs of the periods that loads touched. Returns counts."""

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        return _numbers(flow.compute_kpis(settings))


class Publish(FlowOperator):
    """Bring the views that BI reads up to date. Returns their names."""

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> list[str]:
        from cxflow import flow

        return list(flow.publish(settings))


def _numbers(report: object) -> Json:
    """The counts of a report: what else it holds is for the process that made it."""
    fields = asdict(report) if is_dataclass(report) and not isinstance(report, type) else {}
    return {name: value for name, value in fields.items() if isinstance(value, int | float)}
