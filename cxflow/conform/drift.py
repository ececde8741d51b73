"""Applies the declared policy to a changed raw schema: accept and report, quarantine, or stop."""

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
    """What to do with the records of a batch whose raw schema changed."""

    quarantine: dict[str, tuple[str, ...]]
    """Rule (new_column, missing_column, retyped_column) to the raw columns; empty if all are accepted."""
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Missing column to the files without it, if the files of the batch differ."""

    @property
    def is_learned(self) -> bool:
        """Whether the batch's raw schema becomes the known one. A refused change is reported until it is accepted."""
        return not {"new_column", "retyped_column"} & set(self.quarantine)


def judge(
    stream: Stream,
    layout: Layout,
    drift: Drift,
    files: Mapping[str, tuple[str, ...]] | None = None,
    kinds_found: str = "",
) -> Outcome:
    """Apply the stream's policies. `files` maps a missing column to the files without it, if the files differ;
    `kinds_found` says what the retyped columns are now, and where.

    Raises SourceError if a policy is `stop`.
    """
    files = files or {}
    policies = stream.policies
    if_missing = policies.missing_column or ("accept" if layout == "json" else "stop")
    may_lack = {name.lower() for name in stream.may_lack}
    missing = tuple(name for name in drift.missing if name.lower() not in may_lack)
    kinds = (
        ("new_column", "new", drift.new, policies.new_column),
        ("missing_column", "gone", missing, if_missing),
        ("retyped_column", "of another type", drift.retyped, policies.retyped_column),
    )
    quarantine: dict[str, tuple[str, ...]] = {}
    for rule, description, columns, outcome in kinds:
        if not columns or outcome == "accept":
            continue
        if outcome == "stop":
            raise SourceError(
                f"the source changed: {description}: {', '.join(columns)}"
                + (f" ({kinds_found})" if rule == "retyped_column" and kinds_found else "")
                + _hint(rule, columns, drift, files),
                value=columns[0],
                fix="fix the source or the mapping, or set "
                + ("may_lack, or " if rule == "missing_column" else "")
                + f'policies.{rule} = "accept"',
            )
        quarantine[rule] = columns
    return Outcome(quarantine, files)


def _hint(rule: str, columns: tuple[str, ...], drift: Drift, files: Mapping[str, tuple[str, ...]]) -> str:
    """For a missing column: the files without it, and the new columns, one of which may be its new name."""
    if rule != "missing_column":
        return ""
    without = sorted({file for column in columns for file in files.get(column, ())})
    more = f" and {len(without) - 3} more" if len(without) > 3 else ""
    where = f" (from {', '.join(without[:3])}{more})" if without else ""
    return where + (f"; new: {', '.join(drift.new)}" if drift.new else "")


def present(column: str, raw: RawSchema, holder: str = "", depth: int = 0) -> str:
    """SQL: whether a record has a value in a dotted raw column; inside a list, whether any item has one."""
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
