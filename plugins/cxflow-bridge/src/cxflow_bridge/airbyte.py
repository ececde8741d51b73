"""The connector `airbyte`: Airbyte's Python connectors (RECORD, STATE, TRACE, CATALOG)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
from cxflow import ConfigError, FatalError, SourceError, Stream, TransientError

from cxflow_bridge.bridged import Batch, Batches, Bridged, parsed
from cxflow_bridge.program import Program


class _Record(msgspec.Struct):
    """A record. Its data stay their bytes."""

    stream: str
    data: msgspec.Raw


class _Message(msgspec.Struct):
    """One line."""

    type: str
    record: _Record | None = None
    state: msgspec.Raw = msgspec.Raw(b"null")
    trace: msgspec.Raw = msgspec.Raw(b"null")
    catalog: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(_Message)


class Airbyte(Bridged):
    """Any Airbyte connector that is a Python program, in an environment of its own."""

    name: ClassVar[str] = "airbyte"
    title: ClassVar[str] = "Airbyte connectors: Python programs that write RECORD and STATE lines"

    def discovered(self, program: Program) -> dict[str, dict[str, Any]]:
        """From its catalogue."""
        with self._files(program) as files:
            for message in _messages(program, ["discover", "--config", files["config"]]):
                if message.type == "CATALOG":
                    streams = msgspec.json.decode(message.catalog)["streams"]
                    return {str(each["name"]): each for each in streams}
        raise SourceError(f"{program.name} has no catalogue", value=program.name)

    def batches(
        self, program: Program, entry: dict[str, Any], stream: Stream, config: dict[str, Any], state: Any
    ) -> Iterator[Batch]:
        """Its records, until it ends. Where it says how many it wrote, that is compared."""
        modes = entry.get("supported_sync_modes") or ["full_refresh"]
        mode = "incremental" if "incremental" in modes else "full_refresh"
        configured = {"stream": entry, "sync_mode": mode, "destination_sync_mode": "append"}
        if entry.get("default_cursor_field"):
            configured["cursor_field"] = entry["default_cursor_field"]
        given = {"config": config, "catalog": {"streams": [configured]}, "state": state or []}
        with self._files(program, **given) as files:
            arguments = ["read", "--config", files["config"], "--catalog", files["catalog"]]
            arguments += ["--state", files["state"]] if state else []
            collected = Batches(program)
            for message in _messages(program, arguments):
                if message.record is not None and message.record.stream == stream.name:
                    yield from collected.add(bytes(message.record.data))
                elif message.type == "STATE":
                    kept = msgspec.json.decode(message.state)
                    counted = (kept.pop("sourceStats", None) or {}).get("recordCount")
                    yield from collected.state([kept], None if counted is None else int(counted))
            yield from collected.end()


def _messages(program: Program, arguments: list[str]) -> Iterator[_Message]:
    """Its messages. An error that it reports is raised when it has ended, unless it ends well."""
    reported: Exception | None = None
    try:
        for line in program.lines(arguments):
            if not line.lstrip().startswith(b"{"):
                continue
            message = parsed(line, _decoder, program)
            if message.type == "TRACE":
                reported = _error(program, json.loads(bytes(message.trace))) or reported
            yield message
    except (FatalError, TransientError):
        if reported is None:
            raise
    if reported is not None:
        raise reported


def _error(program: Program, trace: dict[str, Any]) -> Exception | None:
    """The error that a trace reports. Its text is not shown: it may quote a record."""
    if trace.get("type") != "ERROR":
        return None
    kind = (trace.get("error") or {}).get("failure_type")
    if kind == "config_error":
        return ConfigError(
            f"{program.name} refuses its settings",
            value=program.name,
            fix="check the connection's config; --verbose shows what it writes",
        )
    return TransientError(f"{program.name} reports a {kind or 'system_error'}", value=program.name)
