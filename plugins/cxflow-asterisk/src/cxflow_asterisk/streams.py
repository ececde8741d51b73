"""The two streams: their settings and mappings."""

from __future__ import annotations

from typing import Any, Literal

from cxflow import Stream
from pydantic import Field, field_validator, model_validator

from cxflow_asterisk import cdr, queue_log


class AsteriskStream(Stream):
    """A stream of one of Asterisk's logs."""

    log: Literal["queue_log", "cdr"]
    """The kind of log it reads."""
    path: str | tuple[str, ...]
    """The file or files that Asterisk writes, or globs, relative to the connection's root."""
    rotated: tuple[str, ...] = ("{path}.*", "{path}-*")
    """Globs of its rotated files, plain or gzipped; `{path}` is the path of the file itself."""
    encoding: str = "utf-8"
    """Python's name of the encoding of names; invalid bytes are replaced, never an error."""
    longest_call_hours: float = Field(default=12, gt=0)
    """How long a call may last, in hours: one whose end is not logged by then is given up. Scheduled runs
    read this much of the log again, for the calls in progress."""
    columns: tuple[str, ...] = ()
    """The columns of a custom CSV (`cdr_custom`), in order; unset: those of Master.csv."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The declared paths, as a tuple."""
        return (self.path,) if isinstance(self.path, str) else self.path

    @field_validator("path", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            is_extended_ascii = b"7|\n".decode(value, "replace") == "7|\n"
        except LookupError:
            is_extended_ascii = False
        if not is_extended_ascii:
            raise ValueError(f"{value!r} is not an encoding that extends ASCII")
        return value

    @model_validator(mode="after")
    def _has_columns(self) -> AsteriskStream:
        if not self.columns:
            return self
        if self.log != "cdr":
            raise ValueError("columns are for call detail records; a queue log has none")
        missing = [name for name in cdr.REQUIRED if name not in self.columns]
        if not {"start", "calldate"} & set(self.columns):
            missing.append("start (or calldate)")
        if missing:
            raise ValueError(f"columns must include {', '.join(missing)}")
        return self


_AGENT = "an agent's working name, by which supervisors look at calls; no customer's"

QUEUE_CALLS = AsteriskStream(
    name="queue_calls",
    title="Calls offered to a queue: one record each time a call enters one",
    log="queue_log",
    time_formats=("epoch",),
    path="queue_log",
    primary_key=("id",),
    version="known_at",
    to={
        "touchpoint": {
            # A call that moves from queue to queue is one support contact; its further queues are steps of
            # it.
            "activity": "CASE WHEN continues = 'true' THEN 'entered_queue' ELSE 'called_support' END",
            "channel": "'phone'",
            "direction": "'inbound'",
            "journey_stage": "'after'",
            "control": "'owned'",
            "occurred_at": "entered_at",
            "ended_at": "ended_at",
            "received_at": "known_at",
            "conversation_id": "call_id",
            "agent_id": "agent",
        },
        "interaction": {
            "interaction_id": "id",
            "queue_id": "queue",
            "agent_id": "agent",
            "offered_at": "entered_at",
            "answered_at": "connected_at",
            "abandoned_at": "CASE WHEN outcome = 'abandoned' THEN ended_at END",
            "ended_at": "ended_at",
            "wait_seconds": "wait_seconds",
            "talk_seconds": "talk_seconds",
            "transfer_count": "CASE WHEN outcome = 'transferred' THEN 1 ELSE 0 END",
            "outcome": "outcome",
        },
    },
    identifiers={"phone": "caller_number"},
    may_lack=queue_log.COLUMNS,
    pii=("caller", "caller_number", "agent", "transferred_to"),
    in_clear={"touchpoint.agent_id": _AGENT, "interaction.agent_id": _AGENT},
)

CDR = AsteriskStream(
    name="cdr",
    title="Call detail records; a touchpoint for each call that no queue saw",
    log="cdr",
    path="cdr-csv/Master.csv",
    primary_key=("id",),
    version="ended_at",
    to={
        "touchpoint": {
            "where": "contact IS NOT NULL",
            "activity": "CASE contact WHEN 'inbound' THEN 'called_support' ELSE 'received_call' END",
            "channel": "'phone'",
            "direction": "contact",
            "occurred_at": "coalesce(called_at, started_at)",
            "ended_at": "ended_at",
            "received_at": "ended_at",
            "conversation_id": "conversation_id",
            # `PJSIP/8008-0000002a` is a channel of the endpoint PJSIP/8008, which is the agent's name in
            # queue_log.
            "agent_id": "regexp_replace(CASE WHEN contact = 'outbound' THEN channel "
            "WHEN disposition = 'ANSWERED' THEN dstchannel END, '-[^-]*$', '')",
        },
    },
    identifiers={"phone": "customer_number"},
    may_lack=cdr.COLUMNS,
    # Channels and the last application's arguments contain dialled numbers, too.
    pii=("src", "dst", "clid", "channel", "dstchannel", "lastdata", "userfield", "customer_number"),
    in_clear={"touchpoint.agent_id": _AGENT},
)
