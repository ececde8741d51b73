"""The declaration of a stream: its key, its version, its mapping and its policies.

The same frozen model is written in Python by connector plugins and in `cxflow.toml` by everyone else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema

from cxflow.model.coerced import Coerced
from cxflow.model.expectation import Expectation
from cxflow.model.frozen import Frozen
from cxflow.model.names import known_zone

DriftOutcome = Literal["accept", "quarantine", "stop"]

LONGEST = timedelta(days=36_500)
"""The longest duration in a declaration: calendars end somewhere."""


PLACE = ("_file", "_file_row")
"""The columns of a record that comes from a file: the file's path, relative to the project's folder if it lies in it,
and the record's number in the file, from 1."""


class Projection(Frozen):
    """A mapping of raw columns to one canonical table: `{column: DuckDB SQL expression}`.

    In the short form, columns are on the same level as `where` and `for_each`, as in TOML:
    `{"activity": "'wrote_review'", "occurred_at": "created", "where": "score is not null"}`.
    """

    columns: dict[str, str]
    """Canonical column to expression over the raw columns."""
    where: str | None = None
    """A condition: only records (or items) that meet it become rows."""
    for_each: str | None = None
    """A list expression: one row per item. Expressions refer to `item`, and its number `item_no`, from 1."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        if not isinstance(value, dict) or isinstance(value.get("columns"), dict):
            return value
        reserved = {key: value[key] for key in ("where", "for_each") if key in value}
        return {"columns": {key: item for key, item in value.items() if key not in reserved}, **reserved}


def _as_tuple(value: Any) -> Any:
    if value in ([], ()):
        raise ValueError("the list of mappings for a table is empty")
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Projections = Annotated[tuple[Projection, ...], BeforeValidator(_as_tuple)]
ShortForm = Mapping[str, str]
"""A projection as it is usually written."""


class Policies(Frozen):
    """What to do if a source changes its raw schema or repeats a key."""

    new_column: DriftOutcome = "accept"
    """A raw column not seen before: accept reports it and lands it."""
    missing_column: DriftOutcome | None = None
    """A known raw column that is missing from the batch, or from one of its files. Unset: accept for JSON, where keys
    without a value are often omitted, else stop."""
    retyped_column: DriftOutcome = "stop"
    """A raw column that changed between plain value, object and list."""
    duplicate_key: Literal["latest", "quarantine"] | None = None
    """Several different records with the same key, and nothing to tell which is newer: latest takes the one delivered
    last, quarantine refuses them all. Unset: latest if `version` is declared, else quarantine. Identical records always
    count as one."""


class Stream(Frozen):
    """One kind of record of a source, and its mapping.

    Every setting that is a tuple of texts accepts a single text, too: `primary_key = "id"`.
    """

    name: str = ""
    """Filled from the table's name in TOML."""
    title: str = ""
    """One line that describes a record."""
    primary_key: tuple[str, ...] = Field(min_length=1)
    """Raw columns (or expressions) that identify a record within its stream."""
    version: str | None = None
    """Expression for a time that advances with every change of a record; an older version never replaces a newer one.
    Unset: the time of delivery."""
    deleted: str | None = None
    """Condition that is true for a record deleted at the source."""
    look_back: timedelta = Field(default=timedelta(0), ge=timedelta(0), le=LONGEST)
    """How far before its cursor a scheduled run starts, to catch late changes. Seconds or ISO 8601."""
    lag: timedelta = Field(default=timedelta(0), ge=timedelta(0), le=LONGEST)
    """How much of the newest data to leave for later, because the source withholds it or may still change it."""
    timezone: str | None = None
    """IANA time zone for times written without one; unset: the connection's."""
    to: Coerced[
        Mapping[str, Projection | ShortForm | Sequence[Projection | ShortForm]], dict[str, Projections]
    ] = Field(min_length=1)
    """Canonical table to one projection, or to a list of them."""
    identifiers: dict[str, str] = Field(default_factory=dict)
    """Namespace to expression: the identifiers of the customer in a record. `email` and `phone` mean the same in every
    connection; any other namespace belongs to the connection unless written as `connection.namespace`."""
    time_formats: tuple[str, ...] = ()
    """Formats of times that are not typed, tried in order: iso (8601), epoch (seconds since 1970), epoch_ms, or a
    strptime format. Unset: iso."""
    decimal: Literal[".", ","] = "."
    """The decimal mark of numbers in text."""
    may_lack: tuple[str, ...] = ()
    """Raw columns (dotted if nested) that may be absent; they are then null."""
    pii: tuple[str, ...] = ()
    """Raw columns with personal data. They may be mapped to columns that the views mask, hashed, or used as
    identifiers; anything that would show them is refused."""
    in_clear: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    """Where a personal column may be shown nevertheless, and why: `table.column`, or `primary_key_1` for the first part
    of the key."""
    expect: tuple[Expectation, ...] = ()
    """Expectations in addition to those of the canonical tables."""
    policies: Policies = Policies()
    """What to do if the source changes its raw schema or repeats a key."""
    max_rejected_share: float | None = Field(default=None, ge=0, le=1)
    """The gate of this stream, 0 to 1; unset: the project's."""

    _zone = field_validator("timezone")(known_zone)

    @model_validator(mode="before")
    @classmethod
    def _from_single_texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        lists = _lists_of_texts(cls)
        return {
            name: (item,) if name in lists and isinstance(item, str) else item for name, item in value.items()
        }

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The schema of a stream's settings: a list of texts may be written as a single text."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for name in _lists_of_texts(cls):
            about = {key: item for key, item in properties[name].items() if key in _ABOUT}
            listed = {key: item for key, item in properties[name].items() if key not in _ABOUT}
            properties[name] = {"anyOf": [{"type": "string"}, listed], **about}
        return schema

    @field_validator("may_lack")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not all(name.split(".")):
                raise ValueError(f"{name!r} is not a valid column name (dotted if nested)")
        return names

    @property
    def has_places(self) -> bool:
        """Whether each record has a place in a file (PLACE), which its mapping may use."""
        return False

    @property
    def takes_latest(self) -> bool:
        """Whether the last delivered of conflicting records wins; otherwise all are refused."""
        policy = self.policies.duplicate_key or ("latest" if self.version else "quarantine")
        return policy == "latest"


_ABOUT = ("title", "description", "default")
"""Keywords of a JSON schema that describe a setting, not the form of its value."""


def _lists_of_texts(model: type[Stream]) -> set[str]:
    """The settings of a kind of stream that are tuples of texts."""
    return {name for name, field in model.model_fields.items() if field.annotation == tuple[str, ...]}
