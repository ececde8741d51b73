"""The declared outcome of a changed raw shape: accept and report, quarantine, or stop."""

from __future__ import annotations

from dataclasses import dataclass

from cxflow.errors import SourceError
from cxflow.model.sql import identifier
from cxflow.model.stream import Stream
from cxflow.store.landing import Layout
from cxflow.store.shape import Drift, Shape


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to do with the records of a drifted batch."""

    quarantine: dict[str, tuple[str, ...]]
    """Rule (new_column, missing_column, retyped_column) to the raw columns; empty where all is accepted."""

    @property
    def is_learned(self) -> bool:
        """Whether the batch's shape becomes known. One that is refused stays news until somebody accepts it."""
        return not {"new_column", "retyped_column"} & set(self.quarantine)


def judge(stream: Stream, layout: Layout, drift: Drift) -> Outcome:
    """Apply the stream's policies. Raises SourceError where one says stop."""
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
                f"the source changed: {says}: {', '.join(columns)}",
                value=columns[0],
                fix=f'mend the source or the mapping; or say policies.{rule} = "accept"',
            )
        quarantine[rule] = columns
    return Outcome(quarantine)


def present(column: str, raw: Shape, holder: str = "", depth: int = 0) -> str:
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
