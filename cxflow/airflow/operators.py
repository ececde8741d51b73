"""One operator per function of `cxflow.flow`. The factory combines them; custom DAGs may, too.

Parsing a DAG file stays cheap: `cxflow.flow` and its data libraries, seconds of imports, are loaded only when an
operator runs. Operators pass on references (windows, batch references, counts), never records.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.log import mask_secret

from cxflow import redaction
from cxflow import settings as configuration
from cxflow.airflow.intent import Intent, intent
from cxflow.airflow.links import QuarantineLink, ReportLink
from cxflow.airflow.retries import final_if_fatal
from cxflow.errors import ConfigError, CxflowError, JobRunningError
from cxflow.model.batch import BatchRef, Counts
from cxflow.model.window import Window
from cxflow.settings import Settings

if TYPE_CHECKING:
    from cxflow.airflow.lineage import Lineage

Json = dict[str, Any]
"""The type of values in XCom."""


class FlowOperator(BaseOperator):
    """A task that calls `cxflow.flow` for the project in the folder `project`."""

    ui_color = "#e8f0fe"
    once_fixed = ""
    """What to do in Airflow after the cause of a failure was removed, beyond clearing the task."""
    links: ClassVar[tuple[BaseOperatorLink, ...]] = (ReportLink(),)
    """The buttons of its tasks, where `report_url` is set: the address of the report."""

    def __init__(self, *, project: str, report_url: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.report_url = report_url
        # Without an address there are none: each would be a row without a value in XCom.
        self.operator_extra_links = self.links if report_url else ()
        self._returned: Any = None

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Load the settings and call `act`; `retries` decides which errors are final. Secrets are registered with
        Airflow, which masks them in every line a task writes, by any logger."""
        redaction.subscribe(mask_secret)
        with final_if_fatal(self.once_fixed):
            self._returned = self.act(configuration.load(Path(self.project)), context)
            return self._returned

    @abstractmethod
    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Any:
        """Do the task's work. The result goes to XCom."""

    def lineage(self, _settings: Settings, _returned: Any) -> Lineage | None:
        """What the task reads and writes, given what `act` returned: None if it failed. Opens no warehouse and no
        source."""
        return None

    def get_openlineage_facets_on_complete(self, _task_instance: object) -> Any:
        """For Airflow's provider of OpenLineage, where that is installed and configured: it alone calls this, in a
        process of its own and with a time limit. What goes wrong here is a line of the log."""
        try:
            found = self.lineage(configuration.load(Path(self.project)), self._returned)
            if found is None:
                return None
            from cxflow.airflow import openlineage_events

            return openlineage_events.of(found)
        except Exception as problem:
            told = problem if isinstance(problem, CxflowError) else type(problem).__name__
            self.log.warning("no datasets for OpenLineage: %s", told)
            return None

    def get_openlineage_facets_on_failure(self, task_instance: object) -> Any:
        """The same of a task that failed, without what it would have counted."""
        return self.get_openlineage_facets_on_complete(task_instance)


class Plan(FlowOperator):
    """List a connection's streams, and fix the window of each before anything is read.

    Returns one trip per stream: `{"connection", "stream", "mode", "window": {"start", "end"}}`.
    """

    def __init__(self, *, connection: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection = connection

    def act(self, settings: Settings, context: Mapping[str, Any]) -> list[Json]:
        from cxflow import flow

        intended = self._intent(context)
        trips = []
        for stream in flow.streams(settings, self.connection):
            window = (
                flow.scheduled_window(settings, self.connection, stream, end=intended.end)
                if intended.mode == "scheduled"
                else Window(intended.start, intended.end)
            )
            trip = {"connection": self.connection, "stream": stream, "mode": intended.mode}
            trips.append({**trip, "window": window.as_json()})
        return trips

    def _intent(self, context: Mapping[str, Any]) -> Intent:
        run = context["dag_run"]
        # The instant of a manual run. A date in the future would move cursors past records still to come.
        now = min(run.logical_date, run.start_date) if run.logical_date else run.start_date
        # In a worker it is Airflow's enum, whose str() is not its value; elsewhere text.
        run_type = getattr(run.run_type, "value", run.run_type)
        try:
            return intent(run_type, run.data_interval_start, run.data_interval_end, context["params"], now)
        except ConfigError as problem:
            raise problem.at(self.connection) from None


class StreamOperator(FlowOperator):
    """A task of one stream."""

    links = (QuarantineLink(), ReportLink())

    @property
    @abstractmethod
    def stream(self) -> tuple[str, str]:
        """Its connection and its name, once the task runs."""


class Extract(StreamOperator):
    """Land one stream's window as a raw batch. Returns the batch's reference.

    While a service works on an export of it, the task is deferred: it holds neither a worker nor a slot of its pool,
    only a clock in the triggerer.
    """

    template_fields = ("trip",)

    def __init__(self, *, trip: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trip = trip

    @property
    def stream(self) -> tuple[str, str]:
        """As the trip says."""
        return self.trip["connection"], self.trip["stream"]

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        from cxflow import flow
        from cxflow.connect.patience import without_waiting

        trip = self.trip
        window = Window.from_json(trip["window"])
        try:
            with without_waiting():
                batch = flow.extract(settings, trip["connection"], trip["stream"], window, trip["mode"])
        except JobRunningError as problem:
            pause = timedelta(seconds=problem.look_again_seconds)
            self.log.info("%s: deferred for %g s", problem, pause.total_seconds())
            self.defer(trigger=TimeDeltaTrigger(pause), method_name="look_again")
        return dict(batch.as_json())

    def lineage(self, settings: Settings, returned: Any) -> Lineage:
        """From the source to the landing zone."""
        from cxflow.airflow import lineage

        batch = BatchRef.from_json(returned) if returned else None
        return lineage.extract(settings, self.trip["connection"], self.trip["stream"], batch)

    def look_again(self, context: Mapping[str, Any], event: object = None) -> Any:  # noqa: ARG002
        """Go on after a pause: the export that was started is found again."""
        return self.execute(context)


_FROM_WHERE = (
    "in Airflow: this task reads the batch that was landed. Once the source is fixed, clear the stream's task "
    "`extract` with those downstream of it; once the mapping or a rule is fixed, `prepare` with those downstream of it"
)


class BatchOperator(StreamOperator):
    """A task of one landed batch."""

    template_fields = ("batch",)
    once_fixed = _FROM_WHERE

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch = batch

    @property
    def stream(self) -> tuple[str, str]:
        """As the batch's reference says."""
        return self.batch["connection"], self.batch["stream"]


class Prepare(BatchOperator):
    """Conform and validate a landed batch. Returns its reference."""

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        return dict(flow.prepare(settings, BatchRef.from_json(self.batch)).as_json())

    def lineage(self, settings: Settings, returned: Any) -> Lineage:
        """The landed batch, and which rules refused records of it."""
        from cxflow.airflow import lineage

        return lineage.prepare(settings, BatchRef.from_json(self.batch), is_done=returned is not None)


class Load(BatchOperator):
    """Load a prepared batch in one transaction. Returns its reference and its counts, in source records."""

    def __init__(self, *, batch: Any, **kwargs: Any) -> None:
        super().__init__(batch=batch, **kwargs)
        self._rules: dict[str, int] = {}

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        batch = BatchRef.from_json(self.batch)
        report = flow.load(settings, batch)
        counts, self._rules = report.counts, report.rules
        self.log.info("the books of %s: %s", batch.path, counts.books)
        if counts.quarantined:
            self.log.info("`cxflow quarantine list` tells what was refused, and why")
        return {**batch.as_json(), "counts": asdict(counts)}

    def lineage(self, settings: Settings, returned: Any) -> Lineage:
        """From the landed batch to the warehouse."""
        from cxflow.airflow import lineage

        counts = Counts(**returned["counts"]) if returned else None
        return lineage.load(settings, BatchRef.from_json(self.batch), counts, self._rules)


class Announce(BaseOperator):
    """Update the asset, so that DAGs scheduled by it run: once per run, when every stream is done.

    A teardown, so that it also runs after failures and never makes a failed run look successful. It is skipped, and the
    asset is not updated, if no stream was loaded. Returns the total counts of all streams, in source records.
    """

    template_fields = ("loads",)

    def __init__(self, *, loads: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.loads = loads
        self.asset = asset

    def execute(self, context: Mapping[str, Any]) -> Json:
        """Add up the counts and update the asset."""
        # Airflow does not wrap the result in a list if there is only one.
        loads = [self.loads] if isinstance(self.loads, dict) else list(self.loads or ())
        if not loads:
            raise AirflowSkipException("no stream was loaded")
        counts = asdict(sum((Counts(**load["counts"]) for load in loads), Counts()))
        context["outlet_events"][self.asset].extra = counts
        return counts


class ResolveIdentity(FlowOperator):
    """Link the identifiers of loaded records to customers. Returns counts."""

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        return _numbers(flow.resolve_identity(settings))

    def lineage(self, settings: Settings, _returned: Any) -> Lineage:
        """From identifiers to customers."""
        from cxflow.airflow import lineage

        return lineage.identity(settings)


class ScoreTexts(FlowOperator):
    """Compute the languages, sentiments and topics of loaded texts. Returns counts."""

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        return _numbers(flow.score_texts(settings))

    def lineage(self, settings: Settings, returned: Any) -> Lineage:
        """From texts to signals."""
        from cxflow.airflow import lineage

        return lineage.words(settings, (returned or {}).get("signals"))


class ComputeKpis(FlowOperator):
    """Compute the KPIs of the periods that loads touched. Returns counts. Fails if a KPI did; the others are kept."""

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        report = flow.compute_kpis(settings)
        if report.failed:
            raise ConfigError("\n".join(problem.message for problem in report.problems))
        return _numbers(report)

    def lineage(self, settings: Settings, returned: Any) -> Lineage:
        """From tables to the values of KPIs."""
        from cxflow.airflow import lineage

        return lineage.kpis(settings, (returned or {}).get("published"))


class Publish(FlowOperator):
    """Update the BI views. Returns their names."""

    def act(self, settings: Settings, _context: Mapping[str, Any]) -> list[str]:
        from cxflow import flow

        return list(flow.publish(settings))

    def lineage(self, settings: Settings, _returned: Any) -> Lineage:
        """From tables to what BI reads."""
        from cxflow.airflow import lineage

        return lineage.publish(settings)


class TellAlerts(FlowOperator):
    """Tell of alerts that nobody was told of yet. Returns how many there are, and how many are new.

    Each callback gets the task's context with `alerts`, the new ones as lines of text. If one fails, all are called
    again when the task is tried again.
    """

    def __init__(self, *, callbacks: Sequence[Callable[[Mapping[str, Any]], None]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.callbacks = callbacks

    def act(self, settings: Settings, context: Mapping[str, Any]) -> Json:
        from cxflow import flow

        known = flow.alerts(settings)
        new = [each.alert for each in known if not each.is_told]
        for alert in new:
            self.log.warning("%s", alert)
        if new:
            for callback in self.callbacks:
                callback({**context, "alerts": [str(alert) for alert in new]})
            flow.alerts_told(settings, new)
        return {"alerts": len(known), "new": len(new)}


def _numbers(report: object) -> Json:
    """Only the numbers of a report, for XCom."""
    fields = asdict(report) if is_dataclass(report) and not isinstance(report, type) else {}
    return {name: value for name, value in fields.items() if isinstance(value, int | float)}
