"""The outcome of a run, a backfill or a replay: counts, reasons, drift, KPIs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cxflow.cli import failures
from cxflow.cli.output import Step, table
from cxflow.model.activities import remark
from cxflow.model.batch import Counts
from cxflow.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from cxflow.cli.call import Call
    from cxflow.identity.resolve import IdentityReport
    from cxflow.kpis.report import KpiReport
    from cxflow.load.batch import LoadReport
    from cxflow.model.window import Window
    from cxflow.words.score import WordsReport

COUNTS = ("extracted", "inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined")
"""The counts of a load; the first is the sum of the others."""
HEADINGS = ("extracted", "inserted", "updated", "unchanged", "deleted", "dedup.", "quarant.")
"""Their headings, short enough for a terminal of 80 columns."""


@dataclass(frozen=True, slots=True)
class Load:
    """One stream's load."""

    report: LoadReport
    window: Window | None = None
    """None for a replay and a remap."""
    outdated: int = 0
    """Loaded records of the stream whose rows an earlier mapping made."""
    available: str | None = None
    """Of a backfill that read nothing: between which times there is something to read."""

    @property
    def name(self) -> str:
        """CONNECTION.STREAM."""
        return f"{self.report.batch.connection}.{self.report.batch.stream}"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        report = self.report
        return {
            **report.batch.as_json(),
            "window": self.window.as_json() if self.window else None,
            "counts": asdict(report.counts),
            "withdrawn": report.withdrawn,
            "vanished": report.vanished,
            "released": report.released,
            "outdated": self.outdated,
            "available": self.available,
            "rules": report.rules,
            "notes": report.notes,
        }


@dataclass(slots=True)
class Outcome:
    """Everything that a command loaded, and the customers, words, KPIs and views that it updated."""

    mode: str
    loads: list[Load] = field(default_factory=list)
    identity: IdentityReport | None = None
    words: WordsReport | None = None
    kpis: KpiReport | None = None
    views: list[str] = field(default_factory=list)

    @property
    def total(self) -> Counts:
        """The counts of all streams together."""
        return sum((load.report.counts for load in self.loads), Counts())

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "mode": self.mode,
            "streams": [load.as_json() for load in self.loads],
            "total": asdict(self.total),
            "identity": asdict(self.identity) if self.identity else None,
            "words": asdict(self.words) if self.words else None,
            "kpis": asdict(self.kpis) if self.kpis else None,
            "views": self.views,
        }


STEPS = 4
"""Those of `finish`."""


def finish(call: Call, result: Outcome, step: Step) -> None:
    """Update customers, words, KPIs and views after loads. A failure here does not undo the loads."""
    from cxflow import flow

    try:
        step("customers")
        result.identity = flow.resolve_identity(call.settings)
        step("words")
        result.words = flow.score_texts(call.settings)
        step("KPIs")
        result.kpis = flow.compute_kpis(call.settings)
        for problem in result.kpis.problems:
            call.fail(problem)
        step("views")
        result.views = flow.publish(call.settings)
    except Exception as problem:
        call.fail(problem)


def show(call: Call, result: Outcome) -> None:
    """Report the outcome."""
    data = result.as_json() | {"errors": [failures.as_json(problem) for problem in call.failed]}
    if not result.loads:
        call.out.report(data, "nothing was loaded")
        return
    parts: list[Any] = [stream_counts(result)]
    if reasons := [(load.name, rule, n) for load in result.loads for rule, n in load.report.rules.items()]:
        parts.append(table("Quarantined", ("stream", "rule", "records"), reasons))
        parts.append("`cxflow quarantine list` explains them")
    parts += [f"{load.name}: {note}" for load in result.loads for note in _load_notes(load)]
    if result.identity and result.identity.identifiers:
        parts.append(_identity(result.identity))
    if result.words and (result.words.texts or result.words.removed):
        parts.append(_words(result.words))
    if result.kpis:
        parts.append(_kpis(result.kpis))
    call.out.report(data, *parts)


def stream_counts(result: Outcome) -> Table:
    """A table of the counts of each stream, and their sum."""
    return counts_table("Source records", [(load.name, load.report.counts) for load in result.loads])


def counts_table(title: str, rows: Sequence[tuple[str, Counts]]) -> Table:
    """A table of counts by stream and, if there are several, their sum."""
    whole = ("sum", *_numbers(sum((counts for _, counts in rows), Counts())))
    shown = [(name, *_numbers(counts)) for name, counts in rows]
    return table(title, ("stream", *HEADINGS), shown, total=whole if len(rows) > 1 else None)


def _numbers(counts: Counts) -> tuple[int, ...]:
    return tuple(getattr(counts, name) for name in COUNTS)


def outdated(name: str, records: int) -> str:
    """What to say of records that an earlier mapping made."""
    return f"{records:,} loaded records were made by an earlier mapping; `cxflow remap {name}` maps them anew"


def _load_notes(load: Load) -> list[str]:
    lines = notes(load.report.notes)
    if load.available:
        lines.append(
            f"nothing is in {load.window}: {load.available}. A window goes by when a record was delivered or changed, "
            "not by when its event happened"
        )
    if withdrawn := load.report.withdrawn:
        lines.append(
            f"{withdrawn:,} records loaded before were withdrawn: what was loaded now puts them in doubt"
        )
    if vanished := load.report.vanished:
        lines.append(f"{vanished:,} records vanished: two snapshots lack them, and they count as deleted")
    if released := load.report.released:
        lines.append(
            f"{released:,} refused records, of this or other streams, were loaded after it: nobody else claims their "
            "keys any more"
        )
    return [*lines, outdated(load.name, load.outdated)] if load.outdated else lines


def notes(found: dict[str, Any]) -> list[str]:
    """The notes of a load, one per line: raw schema changes, unusable identifiers, a resumed pull, empty inputs."""
    lines = [
        f"{kind} columns: {one_line(', '.join(names))}"
        for kind, names in found.get("drift", {}).items()
        if names
    ]
    lines += [
        f"{count:,} identifiers {namespace!r} cannot be used"
        for namespace, count in found.get("unusable_identifiers", {}).items()
    ]
    lines += [
        f"{count:,} ids in {place} look like 1.23457E+15: a spreadsheet cut them short, export the column as text"
        for place, count in found.get("mangled_ids", {}).items()
    ]
    lines += [
        f"{count:,} identifiers {namespace!r} are placeholders (0, unknown, noreply@ …): they name nobody"
        for namespace, count in found.get("placeholders", {}).items()
    ]
    lines += [
        f"one identifier {namespace!r} is in {most:,} of {records:,} records: a switchboard, or a value that is none?"
        for namespace, (most, records) in found.get("frequent_identifiers", {}).items()
    ]
    lines += [
        f"{remark(activity)} ({touchpoints:,} touchpoints)"
        for activity, touchpoints in found.get("unknown_activities", {}).items()
    ]
    lines += [
        f"{rows:,} amounts in {column} have more decimals than their currency: are they in another unit?"
        for column, rows in found.get("odd_amounts", {}).items()
    ]
    if resumed_at := found.get("resumed_at"):
        lines.append(f"resumed an interrupted pull ({resumed_at:,} records kept)")
    if found.get("reads_anew"):
        lines.append("the reading settings changed since the last run: earlier files are read again")
    lines += [
        f"{one_line(origin)} is not empty, but has no records" for origin in found.get("without_records", ())
    ]
    lines += [
        f"{one_line(origin)} has records without a readable key, so it does not tell which records are gone"
        for origin in found.get("unreadable_snapshots", ())
    ]
    return lines


def _identity(report: IdentityReport) -> str:
    merged = f", {report.merged:,} merged into another one" if report.merged else ""
    lines = [f"Customers: {report.customers:,} updated{merged}"]
    if apart := report.shared + report.common:
        lines.append(f"{apart:,} identifiers link nobody: too many share them (docs/identity.md)")
    if report.oversized:
        lines.append(f"{report.oversized:,} groups of linked identifiers are too large to be one customer")
    return "\n".join(lines)


def _words(report: WordsReport) -> str:
    return f"Words: {report.texts:,} texts scored, {report.signals:,} signals for {report.removed:,} earlier ones"


def _kpis(report: KpiReport) -> str:
    lines = ["KPIs: nothing to compute"]
    if report.kpis:
        lines = [
            f"KPIs: {report.published:,} values new or changed, {report.unchanged:,} unchanged "
            f"({len(report.kpis)} recomputed, {report.suppressed:,} values under the minimum n)"
        ]
    if report.leaving_out:
        shares = (
            f"{name} ({left:,} of {counted + left:,})" for name, (counted, left) in report.leaving_out.items()
        )
        lines.append(f"Many events are left out of: {', '.join(shares)}; `cxflow kpis NAME` says why")
    return "\n".join(lines)
