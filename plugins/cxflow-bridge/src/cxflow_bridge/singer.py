"""The connector `singer`: taps of the Singer protocol (SCHEMA, RECORD, STATE, ACTIVATE_VERSION)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
from cxflow import SourceError, Stream

from cxflow_bridge.bridged import Batch, Batches, Bridged, parsed
from cxflow_bridge.program import Program


class _Message(msgspec.Struct):
    """One line. The record stays its bytes."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = msgspec.Raw(b"null")
    value: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(_Message)


class Singer(Bridged):
    """Any Singer tap, in an environment of its own."""

    name: ClassVar[str] = "singer"
    title: ClassVar[str] = "Singer taps: programs that write SCHEMA, RECORD and STATE lines"

    def discovered(self, program: Program) -> dict[str, dict[str, Any]]:
        """From its catalogue. The table's name of old taps does not count, its stream id does."""
        with self._files(program) as files:
            text = program.output(["--config", files["config"], "--discover"])
        try:
            streams = json.loads(text)["streams"]
            return {str(each.get("tap_stream_id") or each["stream"]): each for each in streams}
        except (ValueError, KeyError, TypeError):
            raise SourceError(f"{program.name} has no catalogue", value=program.name) from None

    def batches(
        self, program: Program, entry: dict[str, Any], stream: Stream, config: dict[str, Any], state: Any
    ) -> Iterator[Batch]:
        """Its records, until it ends. Those of other streams were not asked for and are left out; a line that is no
        object is a log line."""
        catalogue = {"streams": [_selected(entry)]}
        with self._files(program, config=config, catalogue=catalogue, state=state or {}) as files:
            arguments = ["--config", files["config"], "--catalog", files["catalogue"]]
            arguments += ["--state", files["state"]] if state is not None else []
            collected = Batches(program)
            names = {stream.name, entry.get("stream")}
            for line in program.lines(arguments):
                if not line.lstrip().startswith(b"{"):
                    continue
                message = parsed(line, _decoder, program)
                if message.type == "RECORD" and message.stream in names:
                    yield from collected.add(bytes(message.record))
                elif message.type == "STATE":
                    yield from collected.state(msgspec.json.decode(message.value))
            yield from collected.end()


def _selected(entry: dict[str, Any]) -> dict[str, Any]:
    """A catalogue entry with everything selected, in the words of old taps and new."""
    metadata = [
        {**each, "metadata": {**each.get("metadata", {}), "selected": True}}
        for each in entry.get("metadata", [])
        if each.get("metadata", {}).get("inclusion") != "unsupported"
    ]
    if not any(each.get("breadcrumb") == [] for each in metadata):
        metadata.append({"breadcrumb": [], "metadata": {"selected": True}})
    schema = {**entry.get("schema", {}), "selected": True}
    return {**entry, "selected": True, "schema": schema, "metadata": metadata}
