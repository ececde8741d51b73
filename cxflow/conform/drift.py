"""The declared outcome of a changed raw shape: accept and report, quarantine, or stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cxflow.duck import identifier
from cxflow.errors import SourceError
from cxflow.landing.files import Layout
from cxflow.model.raw_schema import Drift, RawSchema
from cxflow.model.stream import Stream


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to do with the records of a drifted batch."""

    quarantine: dict[str, tuple[str, ...]]
    """Rule (new_column, missing_column, retyped_column) to the raw columns; empty where all is accepted."""
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Missing column to the files that lack it, where the files of the batch differ."""

    @property
    def is_learned(self) -> bool:
        """Whether the batch's shape becomes known. One that is refused stays news until somebody accepts it."""
        return not {"new_column", "retyped_column"} & set(self.quarantine)


def judge(
    stream: Stream, layout: Layout, drift: Drift, lacking: Mapping[str, tuple[str, ...]] | None = None
) -> Outcome:
    """Apply the stream's policies. `lacking` says of a missing column which files lack it, where they differ.

    Raises SourceError where one says stop.
    """
    lacking = lacking or {}
    policies = stream.policies
    missing = policies.missing_column or ("accept" if layout == "json" else "stop")
    may_lack = set(stream.may_lack)
    kinds = (
        ("new_column", "new", drift.new, policies.new_column),
        ("missing_column", "gone", tuple(name for name in drift.missing if name not in may_lack), missing),
        ("retyped_column", "of another form", drift.retyped, policies.retyped_column),
    )
    quarantine: dict[str, tuple[str, ...]] = {}
    for rule, says, columns, outcome in kinds:
        if not columns or outcome == "accept":
            continue
        if outcome == "stop":
            raise SourceError(
                f"the source changed: {says}: {', '.join(columns)}{_beside(rule, columns, drift, lacking)}",
                value=columns[0],
                fix="mend the source or the mapping; or say "
                + ("may_lack, or " if rule == "missing_column" else "")
                + f'policies.{rule} = "accept"',
            )
        quarantine[rule] = columns
    return Outcome(quarantine, lacking)


def _beside(rule: str, columns: tuple[str, ...], drift: Drift, lacking: Mapping[str, tuple[str, ...]]) -> str:
    """What helps to understand a missing column: the files that lack it, and what may be its new name."""
    if rule != "missing_column":
        return ""
    files = sorted({file for column in columns for file in lacking.get(column, ())})
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    where = f" (from {', '.join(files[:3])}{more})" if files else ""
    return where + (f"; new: {', '.join(drift.new)}" if drift.new else "")


def present(column: str, raw: RawSchema, holder: str = "", depth: int = 0) -> str:
    """Whether a record has a value in a dotted raw column, as SQL; within a list, whether one of its items has."""
    for name in sorted(raw, key=len, reverse=True):  # a column's own name may hold dots
        here = f"{holder}{identifier(name)}"
        if column == name:
            return f"{here} IS NOT NULL"
        if column.startswith(f"{name}."):
            rest, inner = column[len(name) + 1 :], raw[name]
            if isinstance(inner, dict):
                return present(rest, inner, f"{here}.", depth)
            if isinstance(inner, list) and isinstance(inner[0], dict):
                item = f"item_{depth}"
                return f"len(list_filter({here}, {item} -> {present(rest, inner[0], f'{item}.', depth + 1)})) > 0"
    return "false"
