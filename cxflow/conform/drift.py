"""The declared outcome of a changed raw shape: accept and report, quarantine, or stop."""

from __future__ import annotations

from dataclasses import dataclass

from cxflow.errors import SourceError
from cxflow.model.stream import Stream
from cxflow.store.landing import Layout
from cxflow.store.shape import Drift


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to do with the records of a drifted batch."""

    quarantine: dict[str, tuple[str, ...]]
    """Rule (new_column, missing_column, retyped_column) to the raw columns; empty where all is accepted."""


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
