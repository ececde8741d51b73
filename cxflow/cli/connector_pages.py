"""The reference pages of connectors in `docs/connectors`, and the index of them. Called by `reference`.

Everything is taken from the declarations. What only people know (what is unconfirmed against the live service, traps)
is in each plugin's README, which the pages link to.
"""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from cxflow.cli.commands.connectors import settings_of
from cxflow.connect import registry
from cxflow.connect.connector import Connector
from cxflow.connect.http import HttpConnection, RestConnector, RestStream
from cxflow.errors import CxflowError
from cxflow.model.secret import Secret
from cxflow.model.snapshots import SnapshotStream
from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings

_BUILT_IN = "cxflow-framework"
_UNCONFIRMED = re.compile(r"^## (.*onfirmed.*)$", re.MULTILINE)


def pages(docs: Path) -> dict[str, str]:
    """Name of a connector of this repository, to its page."""
    return {
        name: _page(connector, _of_project(connector, docs))
        for name, connector in _of_repository(docs).items()
    }


def index(docs: Path) -> list[str]:
    """The table of connectors: what each covers, what is unconfirmed, how to check it."""
    lines = [
        "| connector | covers | unconfirmed against the live service, and how to check |",
        "|---|---|---|",
    ]
    for name, connector in _of_repository(docs).items():
        unconfirmed = "nothing: its tests read real files and databases"
        if connector.distribution != _BUILT_IN:
            readme = f"plugins/{connector.distribution}/README.md"
            unconfirmed = _unconfirmed((docs.parent / readme).read_text(encoding="utf-8"), f"../{readme}")
        lines.append(f"| [`{name}`](connectors/{name}.md) | {_cell(connector.title)} | {unconfirmed} |")
    return lines


def _of_repository(docs: Path) -> dict[str, type[Connector]]:
    """The connectors whose code is in this repository: the built-in ones first, each group by name."""
    found = registry.connectors(registry.plugins())
    ours = {
        name: each
        for name, each in found.items()
        if each.distribution == _BUILT_IN or (docs.parent / "plugins" / each.distribution).is_dir()
    }
    return dict(sorted(ours.items(), key=lambda item: (item[1].distribution != _BUILT_IN, item[0])))


def _unconfirmed(readme: str, link: str) -> str:
    """How many points a README lists as unconfirmed, and where."""
    found = _UNCONFIRMED.search(readme)
    if found is None:
        return f"see its [README]({link})"
    section = readme[found.end() :].split("\n## ")[0]
    points = len(re.findall(r"^(?:- |\| )", section, re.MULTILINE)) - section.count("|---|")  # headers
    anchor = re.sub(r"[^\w -]", "", found[1].lower()).replace(" ", "-")
    return f"[{points} points]({link}#{anchor}), each with a check"


def _of_project(connector: type[Connector], docs: Path) -> Connector | None:
    """The connector as the connection in its README opens it; None where that is not possible. Some declare their
    streams by their settings."""
    readme = docs.parent / "plugins" / connector.distribution / "README.md"
    if not readme.exists():
        return None
    for text in re.findall(r"```toml\n(.*?)```", readme.read_text(encoding="utf-8"), flags=re.DOTALL):
        tables = tomllib.loads(text).get("connections", {})
        for name, table in tables.items():
            if table.get("connector") == connector.name:
                whole = {key: value for key, value in table.items() if key != "only"}
                try:
                    return registry.open_connection(
                        Settings.model_validate({"connections": {name: whole}}), name
                    )
                except CxflowError:
                    return None
    return None


def _page(connector: type[Connector], opened: Connector | None) -> str:
    streams = dict(opened.streams) if opened else {each.name: each for each in connector.declared}
    if opened and not opened.known_streams():  # those of the example are the reader's own
        streams = {}
    return (
        "\n".join(
            (
                f"# The connector `{connector.name}`",
                "",
                "<!-- Made by `make docs` from the connector's declarations. -->",
                "",
                f"{_cell(connector.title)}. {_more(connector)}",
                "",
                *_service(connector, opened),
                "## Settings of a connection",
                "",
                *_settings(connector.connection_model, Connection),
                *_stream_settings(connector),
                *_streams(connector, opened, streams),
            )
        ).rstrip()
        + "\n"
    )


def _more(connector: type[Connector]) -> str:
    if connector.distribution == _BUILT_IN:
        return "It comes with cxflow, and needs no Python: [sources](../sources.md) explains it."
    readme = f"../../plugins/{connector.distribution}/README.md"
    return (
        f"It comes with `{connector.distribution}`, whose [README]({readme}) says how to begin, which decisions its "
        "mapping takes, its limits, and what is unconfirmed against the live service."
    )


def _service(connector: type[Connector], opened: Connector | None) -> Iterator[str]:
    """Of a connector for an HTTP service: address, rates, what refusals mean."""
    if not issubclass(connector, RestConnector):
        return
    rates = opened.allowed if isinstance(opened, RestConnector) else connector.rates
    yield "## The service"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| address | `{connector.base_url}` |"
    said = [
        f"{rate.requests:,} requests in {_span(timedelta(seconds=rate.seconds))}"
        + (f" (`{rate.of}`)" if rate.of else "")
        for rate in rates
    ]
    yield f"| rates | {', '.join(said) or 'as its answers say'} |"
    yield ""
    if not connector.errors.rules:
        return
    yield "What it refuses, and what happens then; anything else is [as HTTP has it](../http.md#what-an-answer-means):"
    yield ""
    yield "| status | code | means | what happens |"
    yield "|---|---|---|---|"
    for rule in connector.errors.rules:
        code = f"`{rule.code}`" if rule.code else ""
        yield f"| {rule.status} | {code} | {_cell(rule.why)} | {rule.then.value}{_fix(rule.fix)} |"
    yield ""


def _fix(fix: str) -> str:
    return f" ({_cell(fix)})" if fix else ""


def _stream_settings(connector: type[Connector]) -> Iterator[str]:
    """The settings that its streams have beside those of every stream."""
    base = RestStream if issubclass(connector.stream_model, RestStream) else Stream
    yield "## Settings of a stream"
    yield ""
    own = set(connector.stream_model.model_fields) - set(base.model_fields)
    if own:
        yield from _settings(connector.stream_model, base)
        yield "Besides these, a stream has those of every stream: key, version, mapping and policies"
    else:
        yield "Those of every stream: key, version, mapping and policies"
    yield f"([mapping](../mapping.md)). `cxflow connectors {connector.name}` lists them all."
    yield ""


def _settings(model: type[BaseModel], base: type[BaseModel]) -> Iterator[str]:
    """A table of a model's settings, its own before those of `base` where that is a connection."""
    inherited = set(base.model_fields)
    rows = [each for each in settings_of(model) if each["setting"] not in inherited]
    if base is Connection:
        rows.sort(key=lambda each: each["setting"] in HttpConnection.model_fields)
        rows += [
            each
            for each in settings_of(model)
            if each["setting"] in inherited and each["setting"] not in ("connector", "streams")
        ]
    types_of = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    yield "| setting | type | default | means |"
    yield "|---|---|---|---|"
    for each in rows:
        default = each["default"]
        shown = default if default in ("", "required") else f"`{default}`"
        kind = _type(types_of[each["setting"]])
        if each["setting"] in getattr(model, "account_settings", ()):
            kind += ", here or where the secrets are"
        yield f"| `{each['setting']}` | {kind} | {_cell(shown)} | {_cell(each['means'])} |"
    yield ""


def _streams(
    connector: type[Connector], opened: Connector | None, streams: Mapping[str, Stream]
) -> Iterator[str]:
    yield "## Streams"
    yield ""
    if not streams:
        yield "Those that the connection declares: `[connections.NAME.streams.NAME]`."
        return
    yield "| stream | one record is | fills |"
    yield "|---|---|---|"
    for stream in streams.values():
        yield f"| [`{stream.name}`](#{stream.name}) | {_cell(stream.title)} | {_code(stream.to)} |"
    for stream in streams.values():
        yield ""
        yield f"### {stream.name}"
        yield ""
        yield "| | |"
        yield "|---|---|"
        for name, value in _facts(stream, opened or connector(Settings(), _unset(connector))).items():
            if value:
                yield f"| {name} | {value} |"
    yield ""


def _unset(connector: type[Connector]) -> Connection:
    """A connection without settings, to ask a connector about its declared streams."""
    return connector.connection_model.model_construct(name=connector.name, connector=connector.name)


def _facts(stream: Stream, connector: Connector) -> dict[str, str]:
    """What a stream's declaration says."""
    facts = {
        "key": _code(stream.primary_key),
        "version": _code([stream.version]) if stream.version else "the time of delivery",
        "deleted records": _deletions(stream),
    }
    if isinstance(stream, RestStream):
        facts |= _requests(stream)
    facts |= {
        "a run reads": "what changed since the last one"
        if _is_windowed(stream, connector)
        else "the whole list, each time",
        "the whole list": _whole(stream),
        "look-back": _span(stream.look_back) if stream.look_back else "",
        "lag": _span(stream.lag) if stream.lag else "",
        "identifiers": ", ".join(f"{name} (`{_cell(sql)}`)" for name, sql in stream.identifiers.items()),
        "personal": _code(stream.pii),
    }
    for table, projections in stream.to.items():
        columns = dict.fromkeys(column for each in projections for column in each.columns)
        facts[f"fills `{table}`"] = _code(columns)
    return facts


def _deletions(stream: Stream) -> str:
    """How a stream's deleted records become known."""
    if stream.deleted:
        return f"where {_code([stream.deleted])}"
    if isinstance(stream, SnapshotStream) and stream.snapshot:
        return "where two whole lists lack them"
    return "the source tells none"


def _whole(stream: Stream) -> str:
    """How often a stream whose runs ask for changes alone reads everything; empty: never."""
    every = stream.whole_every if isinstance(stream, RestStream) else None
    return f"every {_span(every)}" if every else ""


def _is_windowed(stream: Stream, connector: Connector) -> bool:
    """Whether a run asks for its window alone; of several kinds of requests, the first one counts."""
    if not isinstance(stream, RestStream) or not isinstance(connector, RestConnector):
        return connector.is_windowed(stream)
    if stream.parent is None:
        return connector.is_windowed(stream.model_copy(update={"sweeps": ()}))
    parents = [each for each in connector.known_streams() if each.name == stream.parent.stream]
    return any(_is_windowed(each, connector) for each in parents)


def _requests(stream: RestStream) -> dict[str, str]:
    asks = [f"{'GET' if call.body is None else 'POST'} `{call.path}`" for call in stream.calls]
    parent = f", for each of [`{stream.parent.stream}`](#{stream.parent.stream})" if stream.parent else ""
    return {
        "requests": "; ".join(dict.fromkeys(asks)) + parent,
        "paging": f"`{type(stream.pages).__name__}`",
        "right": f"`{stream.right}`" if stream.right else "",
        "kept by the service": _span(stream.kept) if stream.kept else "",
        "slices": _span(stream.slices) if stream.slices else "",
    }


def _code(names: Any) -> str:
    return ", ".join(f"`{_cell(name)}`" for name in names)


def _cell(text: Any) -> str:
    """A text for a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _span(length: timedelta) -> str:
    """A duration in its largest whole unit: `90 days`."""
    seconds = length.total_seconds()
    for unit, many in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= many and seconds % many == 0:
            return f"{seconds / many:,.0f} {unit}{'s' if seconds > many else ''}"
    return f"{seconds:g} s"


_NAMES: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    timedelta: "duration: seconds or ISO 8601",
    datetime: "time",
    date: "date",
    Secret: "secret",
}


def _type(annotation: Any) -> str:
    """A setting's type, in the words of TOML."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in _NAMES:
        return _NAMES[annotation]
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return ", ".join(f'`"{each}"`' for each in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in inner if each is not type(None)))
    if origin in (tuple, list):
        return f"list of {_type(inner[0])}s" if _type(inner[0]) in ("text", "number") else "list"
    return "table"
