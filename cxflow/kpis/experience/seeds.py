"""The seed tables: how a touchpoint is judged, which contacts are preventable, and who controls a channel.

They are CSV files in `warehouse/seeds`. A company replaces one by its own file, named in `[kpis.seeds]`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from cxflow.errors import ConfigError
from cxflow.model.activities import Control, JourneyStage
from cxflow.model.names import nearest
from cxflow.model.reasons import known_as
from cxflow.settings import Settings
from cxflow.warehouse.revisions import resources

Evidence = Literal["rating", "signal", "event"]
"""What a touchpoint is judged by, strongest first."""
Event = Literal[
    "abandoned_call",
    "late_delivery",
    "early_delivery",
    "refund",
    "reopened_case",
    "repeated_contact",
]
"""What cxflow finds to have happened."""
Answer = Literal["eliminate", "automate", "simplify", "leverage"]
"""What to do about a contact reason (Price and Jaffe, The Best Service Is No Service, 2008)."""

EVERY = "*"
"""The channel that stands for those without a row."""
LARGEST_BYTES = 1_000_000
"""More than ten thousand rows."""

Row = dict[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PolarityRule:
    """One rule: what evidence says about a touchpoint. The first rule of the file that applies decides."""

    rule: str
    """Its id, stored with each judgement."""
    evidence: Evidence
    name: str
    """The metric type of a survey (or `review`), the name of a signal, or the event."""
    value: str
    """A signal's word, in lower case; empty for others."""
    first: float
    """A rating's lowest place on its scale for which the rule holds: 0 is the worst, 1 the best."""
    last: float
    """The highest one."""
    polarity: int
    """−1, 0 or 1."""
    intensity: float | None
    """0 to 1; None: a rating's distance from the middle of its scale, a signal's confidence."""


@dataclass(frozen=True, slots=True)
class ContactReason:
    """What a company could do about the contacts for one reason."""

    reason: str
    """As `model.reasons.known_as` spells it."""
    answer: Answer
    is_preventable: bool
    """Whether the customer would rather not have had to ask."""


@dataclass(frozen=True, slots=True)
class Place:
    """The stage and the control of an activity or a channel, for touchpoints whose mapping says neither."""

    kind: Literal["activity", "channel"]
    name: str
    stage: JourneyStage | None
    control: Control | None


class _Line:
    """A row of a seed table: reads its cells, and says where one is wrong."""

    def __init__(self, path: Path, number: int, cells: Row) -> None:
        self._path, self._number, self._cells = path, number, cells

    def text(self, column: str) -> str:
        if not (found := self.optional(column)):
            raise self.wrong(column, "it is empty")
        return found

    def optional(self, column: str) -> str:
        return self._cells[column].strip()

    def one_of(self, column: str, allowed: Iterable[T]) -> T:
        text, by_name = self.text(column), {str(each): each for each in allowed}
        if text not in by_name:
            raise self.wrong(column, f"{text!r} is none of {', '.join(by_name)}{nearest(text, by_name)}")
        return by_name[text]

    def number(self, column: str, lowest: float = -math.inf, highest: float = math.inf) -> float:
        text = self.text(column)
        try:
            found = float(text)
        except ValueError:
            raise self.wrong(column, f"{text!r} is no number") from None
        if not (math.isfinite(found) and lowest <= found <= highest):
            raise self.wrong(column, f"{text} is not from {lowest:g} to {highest:g}")
        return found

    def must_be_empty(self, *columns: str) -> None:
        for column in columns:
            if self.optional(column):
                raise self.wrong(column, "it means nothing here; leave it empty")

    def wrong(self, column: str, why: str) -> ConfigError:
        place = f"{self._path.name}, line {self._number}, {column}"
        return ConfigError(f"{place}: {why}", value=str(self._path), fix="correct the seed table")


def polarity(settings: Settings) -> tuple[PolarityRule, ...]:
    """The rules of polarity, in the order in which they are tried. Raises ConfigError."""
    columns = ("rule", "evidence", "name", "value", "worst", "best", "from", "to", "polarity", "intensity")
    return _read(settings, "polarity", columns, _rule, lambda found: found.rule)


def contact_reasons(settings: Settings) -> tuple[ContactReason, ...]:
    """The contact reasons. Raises ConfigError."""

    def row(line: _Line) -> ContactReason:
        is_preventable = line.one_of("preventable", ("yes", "no")) == "yes"
        return ContactReason(
            known_as(line.text("reason")), line.one_of("answer", get_args(Answer)), is_preventable
        )

    columns = ("reason", "answer", "preventable")
    return _read(settings, "contact_reasons", columns, row, lambda found: found.reason)


def journey(settings: Settings) -> tuple[Place, ...]:
    """Stage and control of activities and channels. Raises ConfigError, also if no row is for every other channel."""

    def row(line: _Line) -> Place:
        stage = line.one_of("stage", get_args(JourneyStage)) if line.optional("stage") else None
        control = line.one_of("control", get_args(Control)) if line.optional("control") else None
        return Place(line.one_of("kind", ("activity", "channel")), line.text("name"), stage, control)

    found = _read(
        settings, "journey", ("kind", "name", "stage", "control"), row, lambda each: (each.kind, each.name)
    )
    if not any(each.kind == "channel" and each.name == EVERY and each.control for each in found):
        path = _path(settings, "journey")
        raise ConfigError(
            f"{path.name}: no row says who controls a channel that has no row",
            value=str(path),
            fix=f"add the line channel,{EVERY},,owned",
        )
    return found


def fingerprint(settings: Settings, *tables: str) -> str:
    """A hash of what these seed tables say. Raises ConfigError."""
    read: dict[str, Callable[[Settings], object]] = {
        "polarity": polarity,
        "contact_reasons": contact_reasons,
        "journey": journey,
    }
    content = repr([read[table](settings) for table in tables])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _rule(line: _Line) -> PolarityRule:
    rule, evidence = line.text("rule"), line.one_of("evidence", get_args(Evidence))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", rule):
        raise line.wrong("rule", f"{rule!r} is not in snake_case")
    name = line.one_of("name", get_args(Event)) if evidence == "event" else line.text("name")
    value, first, last = "", 0.0, 1.0
    scale = ("worst", "best", "from", "to")
    if evidence == "rating":
        worst, best, start, end = (line.number(column) for column in scale)
        if worst == best:
            raise line.wrong("best", "the scale has no length")
        first, last = ((point - worst) / (best - worst) for point in (start, end))
        if not 0 <= first <= last <= 1:
            raise line.wrong("from", f"{start:g} to {end:g} does not run from worst to best within the scale")
    else:
        line.must_be_empty(*scale)
    if evidence == "signal":
        value = line.text("value").lower()
    else:
        line.must_be_empty("value")
    if evidence == "event" and not line.optional("intensity"):
        raise line.wrong("intensity", "an event has none of its own: give a number from 0 to 1")
    intensity = line.number("intensity", 0, 1) if line.optional("intensity") else None
    return PolarityRule(
        rule, evidence, name, value, first, last, line.one_of("polarity", (-1, 0, 1)), intensity
    )


def _path(settings: Settings, table: str) -> Path:
    own = getattr(settings.kpis.seeds, table)
    return settings.path(own) if own else resources() / "seeds" / f"{table}.csv"


def _read(
    settings: Settings,
    table: str,
    columns: tuple[str, ...],
    row: Callable[[_Line], T],
    key: Callable[[T], Hashable],
) -> tuple[T, ...]:
    path = _path(settings, table)
    lines = _lines(path, columns)
    found: dict[Hashable, T] = {}
    for line in lines:
        each = row(line)
        if key(each) in found:
            raise line.wrong(columns[0], f"{key(each)!r} stands twice")
        found[key(each)] = each
    if not found:
        raise ConfigError(
            f"{path.name} has no rows", value=str(path), fix="copy the one of cxflow and change it"
        )
    return tuple(found.values())


def _lines(path: Path, columns: tuple[str, ...]) -> list[_Line]:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(f"{path.name} has more than {LARGEST_BYTES:,} bytes", value=str(path))
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except OSError as problem:
        raise ConfigError(
            f"the seed table {path.name} cannot be read: {problem.strerror}",
            value=str(path),
            fix="correct its path in [kpis.seeds]",
        ) from problem
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path.name} is not UTF-8", value=str(path), fix="save it as UTF-8") from problem
    except csv.Error as problem:
        raise ConfigError(f"{path.name} is not CSV: {problem}", value=str(path)) from problem
    header = tuple(rows[0]) if rows else ()
    if header != columns:
        raise ConfigError(
            f"{path.name} begins with {','.join(header) or 'nothing'}",
            value=str(path),
            fix=f"its first line must be {','.join(columns)}",
        )
    lines: list[_Line] = []
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            raise ConfigError(
                f"{path.name}, line {number}: {len(cells)} cells instead of {len(columns)}",
                value=str(path),
                fix="a value with a comma stands in quotes",
            )
        lines.append(_Line(path, number, dict(zip(columns, cells, strict=True))))
    return lines


def event_rules(rules: Iterable[PolarityRule]) -> dict[str, PolarityRule]:
    """Event to its rule, for the events that have one."""
    found: dict[str, PolarityRule] = {}
    for rule in rules:
        if rule.evidence == "event":
            found.setdefault(rule.name, rule)
    return found


def rules_by_name(rules: Iterable[PolarityRule], evidence: Evidence) -> dict[str, list[PolarityRule]]:
    """Metric type or signal to its rules, in their order."""
    found: dict[str, Any] = {}
    for rule in rules:
        if rule.evidence == evidence:
            found.setdefault(rule.name, []).append(rule)
    return found
