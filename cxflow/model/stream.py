"""What a stream declares: its key, its cursor, its mapping and its policies.

The same frozen model is written in Python by connector plugins and in `cxflow.toml` by everyone else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cxflow.model.coerced import Coerced
from cxflow.model.expectation import Expectation
from cxflow.model.names import known_zone

DriftOutcome = Literal["accept", "quarantine", "stop"]

LONGEST = timedelta(days=36_500)
"""Of any duration that is declared: a calendar ends somewhere."""


class Projection(BaseModel):
    """Raw columns to one canonical table: `{column: DuckDB SQL expression}`.

    In the mapping's short form the columns stand beside `where` and `for_each`, as in TOML:
    `{"activity": "'wrote_review'", "occurred_at": "created", "where": "score is not null"}`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    columns: dict[str, str]
    """Canonical column to expression over the raw columns."""
    where: str | None = None
    """Only records (or items) for which this holds become a row."""
    for_each: str | None = None
    """A list expression: one row per item, which expressions call `item` (and `item_no`, from 1)."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        if not isinstance(value, dict) or isinstance(value.get("columns"), dict):
            return value
        reserved = {key: value[key] for key in ("where", "for_each") if key in value}
        return {"columns": {key: item for key, item in value.items() if key not in reserved}, **reserved}


def _as_tuple(value: Any) -> Any:
    if value in ([], ()):
        raise ValueError("a table's list of mappings is empty")
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Projections = Annotated[tuple[Projection, ...], BeforeValidator(_as_tuple)]
ShortForm = Mapping[str, str]
"""A projection as it is usually written."""


class Policies(BaseModel):
    """The declared outcome of what a source may do to its shape."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    new_column: DriftOutcome = "accept"
    """A raw column not seen before: accept reports it and lands it."""
    missing_column: DriftOutcome | None = None
    """A raw column seen before that is gone from the batch, or from one of its files. Unset: accept for JSON,
    where a key without value is often left out, else stop."""
    retyped_column: DriftOutcome = "stop"
    """A raw column that was a plain value and is now an object or a list, or the reverse."""
    duplicate_key: Literal["latest", "quarantine"] | None = None
    """Several different records with one key and no way to tell the newer: latest takes the last delivered,
    quarantine refuses them all. Unset: latest where `version` is declared, else quarantine. Records that are
    the same to the letter always count as one."""


class Stream(BaseModel):
    """One kind of record of a source, and what it means."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    name: str = ""
    """Filled from the table's name in TOML."""
    title: str = ""
    """One line on what a record is."""
    primary_key: tuple[str, ...] = Field(min_length=1)
    """Raw columns (or expressions) that name a record within its stream."""
    version: str | None = None
    """Expression of a time that grows with every change of a record; an older version never replaces a newer
    one. Unset: the time of delivery."""
    deleted: str | None = None
    """Expression that holds for a record its source has deleted."""
    look_back: timedelta = Field(default=timedelta(0), ge=timedelta(0), le=LONGEST)
    """How far behind its cursor a scheduled run reads again, for late changes. Seconds or ISO 8601."""
    lag: timedelta = Field(default=timedelta(0), ge=timedelta(0), le=LONGEST)
    """How much of the newest data the source withholds or may still change."""
    timezone: str | None = None
    """IANA name of the zone of times without one; unset: the connection's."""
    to: Coerced[
        Mapping[str, Projection | ShortForm | Sequence[Projection | ShortForm]], dict[str, Projections]
    ] = Field(min_length=1)
    """Canonical table to one projection, or to a list of them."""
    identifiers: dict[str, str] = Field(default_factory=dict)
    """Namespace to expression: what names the customer in a record. `email` and `phone` mean the same in
    every connection; any other namespace belongs to the connection unless written `connection.namespace`."""
    time_formats: tuple[str, ...] = ()
    """How the source writes times that are not typed, tried in order: iso (8601), epoch (seconds since 1970),
    epoch_ms, or strptime's letters. Unset: iso."""
    decimal: Literal[".", ","] = "."
    """How the source writes the decimal mark of numbers kept as text."""
    may_lack: tuple[str, ...] = ()
    """Raw columns (dotted where nested) that may be absent altogether: they read as null."""
    pii: tuple[str, ...] = ()
    """Raw columns that hold personal data. Map them to columns that the views mask, or not at all."""
    expect: tuple[Expectation, ...] = ()
    """Expectations beside those of the canonical tables."""
    policies: Policies = Policies()
    """What to do where the source changes its shape or repeats a key."""
    max_rejected_share: float | None = Field(default=None, ge=0, le=1)
    """The gate of this stream, 0 to 1; unset: the project's."""

    _zone = field_validator("timezone")(known_zone)

    @field_validator("may_lack")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not all(name.split(".")):
                raise ValueError(f"{name!r} is no column's name, dotted where nested")
        return names

    @property
    def takes_latest(self) -> bool:
        """Whether the last of several versions of a record wins, or all are refused."""
        policy = self.policies.duplicate_key or ("latest" if self.version else "quarantine")
        return policy == "latest"
