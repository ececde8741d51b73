"""A thousand damaged pages: each is a page of the service with a few changes, and goes through the connector in this
process, without a network. Called by the conformance suite.

A page may end the reading with an error of cxflow. If it does not, each of its records has landed, or is a reject; and
what landed of a stream, of all pages whose values kept their kinds (a value of another kind, an object in place of a
text, may stop a load), is then loaded, each record as rows or as a refusal.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

from cxflow.connect.http.connector import RestConnector
from cxflow.connect.http.stand_in import without_network
from cxflow.connect.http.stream import Call
from cxflow.errors import CxflowError
from cxflow.model.reading import Checkpoint, Count, Page, Reading
from cxflow.model.window import Window
from cxflow.testing import faults
from cxflow.testing.sample import NAME, Sample

PAGES = 1_000
_VALUES: tuple[Any, ...] = (
    None,
    "",
    "x",
    "\ud83d",
    "\x00",
    "😀" * 40,
    "0001-01-01T00:00:00Z",
    "2026-13-45T99:99:99Z",
    "null",
    "-0",
    0,
    -1,
    1,
    2**63,
    10**30,
    0.1,
    True,
    [],
    {},
    [[]],
    [None],
    {"value": 1},
    [{"id": 1}],
)
_RECORDS = 3
"""Records of a damaged page, at most."""
_GONE = len(_VALUES)
"""The change that takes a value away; further ones double it, and put one beside it."""
_CHANGES = _GONE + 3


@dataclass(frozen=True, repr=False)
class _Target:
    """A page that can be damaged."""

    stream: str
    call: Call
    after: Checkpoint | None
    """The checkpoint of the page before; None: it is the first."""
    key: tuple[str, bytes, bytes]
    """Its request."""
    document: Any

    def __repr__(self) -> str:
        return f"<a page of {self.stream}: {self.key[0]}?{self.key[1].decode()}>"


def check(sample: Sample) -> None:
    """Damage a thousand pages. Raises AssertionError for the smallest damage that Hypothesis finds to crash the
    connector, or to hide a record."""
    try:
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesis import strategies as st
    except ImportError:  # pragma: no cover
        raise AssertionError("the suite needs Hypothesis: install cxflow-framework[sandbox]") from None
    known, targets = _recorded(sample)
    assert targets, "no page of the sample has records"
    connector = sample.connector()
    assert isinstance(connector, RestConnector)
    change = st.tuples(st.integers(0, 10_000), st.integers(0, _CHANGES - 1))

    @settings(
        max_examples=PAGES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(st.sampled_from(targets), st.lists(change, min_size=1, max_size=3))
    def damaged(target: _Target, changes: list[tuple[int, int]]) -> None:
        landed[target.stream] += _read_damaged(sample, connector, known, target, changes)

    # The pages as they are come first: what all of the damaged ones lack has its kind from them.
    landed: dict[str, list[Page]] = defaultdict(list)
    for target in targets:
        landed[target.stream] += _read_damaged(sample, connector, known, target, [])
    damaged()
    for stream, pages in landed.items():
        _load(sample, stream, pages)


def _load(sample: Sample, stream: str, pages: list[Page]) -> None:
    """Load the pages as one reading. No share of refused records stops it."""
    sizes = [len(page.records) + len(page.rejects) for page in pages]

    def read(*_: Any) -> Reading:
        for page, size in zip(pages, sizes, strict=True):
            yield Count(size, page.origin)
            yield replace(page, checkpoint=None)
        return {}

    project = sample.new_project()
    project.reconfigure({**sample.kit.configuration(sample.url), "quality": {"max_rejected_share": 1}})
    with mock.patch.object(type(sample.connector()), "read", read):
        report = project.run(NAME, stream, mode="backfill", end=sample.end)[f"{NAME}.{stream}"]
    assert report.counts.extracted == sum(sizes)
    assert report.counts.balanced, f"{stream}: {report.counts}"


def _recorded(sample: Sample) -> tuple[dict[tuple[str, bytes, bytes], faults.Exchange], list[_Target]]:
    """The exchanges of an undisturbed reading of each stream, and the pages among them."""
    known: dict[tuple[str, bytes, bytes], faults.Exchange] = {}
    targets: list[_Target] = []
    connector = sample.connector()
    assert isinstance(connector, RestConnector)
    for name, stream in connector.streams.items():
        with sample.faulty(None) as proxy:
            whole = sample.read(name)
            exchanges = list(proxy.exchanges)
        for met in exchanges:
            known[met.key] = met
        # The request of each page: of the first, what was asked first; of another, what the checkpoint says.
        before: Checkpoint | None = None
        for _, checkpoint in whole.checkpoints:
            call = stream.calls[checkpoint.get("call", 0)]
            found = _of_page(exchanges, call, before)
            if found is not None:
                document = _shortened(json.loads(found.body), call)
                targets.append(_Target(name, call, before, found.key, document))
            before = checkpoint
    return known, targets


def _shortened(document: Any, call: Call) -> Any:
    """A page with its first records alone: so that changes meet what stands around them, too."""
    records = _list_at(document, call.records)
    if records is not None and len(records) > _RECORDS:
        del records[_RECORDS:]
        if call.says is not None:
            *steps, last = call.says.split(".")
            around = document
            for step in steps:
                around = around[step]
            around[last] = _RECORDS
    return document


def _of_page(
    exchanges: list[faults.Exchange], call: Call, before: Checkpoint | None
) -> faults.Exchange | None:
    """The exchange that a page came from: the first one of its kind that has the call's list of records."""
    request = (before or {}).get("request")
    for met in exchanges:
        if not (_is_of(met, call) if request is None else _is(met, request)):
            continue
        try:
            document = json.loads(met.body)
        except ValueError:
            continue
        if _list_at(document, call.records):
            return met
    return None


def _is_of(met: faults.Exchange, call: Call) -> bool:
    """Whether a request may be the first of a kind: by its path, and the parameters that it always has."""
    path = re.sub(r"\\{[^{}]*\\}", "[^/]+", re.escape(urlsplit(call.path).path))
    always = {name for name, value in call.params.items() if "{start" not in value}
    return re.search(f"{path}$", met.path) is not None and always <= dict(_query(met)).keys()


def _is(met: faults.Exchange, request: Mapping[str, Any]) -> bool:
    """Whether a request is the one of a checkpoint."""
    parts = urlsplit(request["path"])
    asked = {**dict(parse_qsl(parts.query)), **request.get("params", {})}
    if not met.path.endswith(parts.path) or asked != dict(_query(met)):
        return False
    return bool((json.loads(met.asked) if met.asked else None) == request.get("body"))


def _query(met: faults.Exchange) -> list[tuple[str, str]]:
    return parse_qsl(met.query.decode(), keep_blank_values=True)


def _list_at(document: Any, path: str, *, optional: bool = False) -> list[Any] | None:
    """The records of an answer; a single object is its only one. None: there is no list, and there should be one."""
    for step in path.split(".") if path else ():
        document = document.get(step) if isinstance(document, Mapping) else None
    if isinstance(document, Mapping):
        return [document]
    if document is None and optional:
        return []
    return document if isinstance(document, list) else None


def _read_damaged(
    sample: Sample,
    connector: RestConnector,
    known: dict[tuple[str, bytes, bytes], faults.Exchange],
    target: _Target,
    changes: list[tuple[int, int]],
) -> list[Page]:
    """Read a page after some changes. Returns what landed of it, if its values kept their kinds; nothing, if the
    reading ended with an error."""
    document = deepcopy(target.document)
    for place, change in changes:
        document = _changed(document, place, change, target.call.changed)
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    came: list[bool] = []

    def reply(_: str, url: str, asked: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        key = (parts.path, parts.query.encode(), asked)
        if key == target.key:
            came.append(True)
            return 200, {"content-type": "application/json"}, body
        met = known.get(key)
        if met is None:
            met = _asked(sample.proxy.application, key)
        return met.status, _headers(met), met.body

    stream = connector.stream(target.stream)
    window = Window(None, sample.end)
    landed = said = 0
    pages: list[Page] = []
    with without_network(reply):
        reading = (
            connector.read(stream, window, {})
            if target.after is None
            else connector.resume(stream, window, {}, target.after)
        )
        try:
            for item in reading:
                if isinstance(item, Count):
                    said = item.records
                if isinstance(item, Page):
                    landed = len(item.records) + len(item.rejects)
                    if came:
                        pages = [item]
                        break
        except CxflowError:
            return []
        finally:
            reading.close()
    if not came:
        return []
    records = _list_at(document, target.call.records, optional=target.call.optional_records)
    assert records is not None, (
        f"{target.stream}: an answer without a list of records is taken for an empty one"
    )
    assert said == landed, f"{target.stream}: {said} records are told, and {landed} land"
    assert landed == len(records), f"{target.stream}: a page has {len(records)} records, and {landed} land"
    return pages if _is_alike(target.document, document) else []


def _is_alike(before: Any, after: Any) -> bool:
    """Whether all values are still an object, a list or a plain value, or null now; keys may be gone or new."""
    match before, after:
        case _, None:
            return True
        case None, _:
            return False
        case dict(), dict():
            return all(_is_alike(before[name], after[name]) for name in before.keys() & after.keys())
        case list(), list():
            return all(any(_is_alike(one, other) for one in before) for other in after)
    return not isinstance(before, dict | list) and not isinstance(after, dict | list)


def _changed(document: Any, place: int, change: int, spared: str | None) -> Any:
    """A document with one value changed, taken away, doubled, or joined by another."""
    places = list(_places(document))
    path = places[place % len(places)]
    if not path:
        return _VALUES[change % len(_VALUES)]
    around = document
    for step in path[:-1]:
        around = around[step]
    last = path[-1]
    value = _VALUES[change] if change < _GONE else None
    if isinstance(value, int | float | str) and spared and last == spared.rsplit(".", 1)[-1]:
        value = None  # another time may lie outside of the window, and the record then belongs to another one
    if change < _GONE:
        around[last] = deepcopy(value)
    elif change == _GONE:
        del around[last]
    elif isinstance(around, list):
        around.insert(last, deepcopy(around[last]) if change == _GONE + 1 else None)
    else:
        around[f"{last}_too"] = deepcopy(around[last])
    return document


def _places(document: Any, path: tuple[Any, ...] = ()) -> Any:
    """The paths of all values, the whole included."""
    yield path
    match document:
        case dict():
            for name in document:
                yield from _places(document[name], (*path, name))
        case list():
            for number, item in enumerate(document):
                yield from _places(item, (*path, number))


def _headers(met: faults.Exchange) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in met.headers}


def _asked(application: faults.Application, key: tuple[str, bytes, bytes]) -> faults.Exchange:
    """Ask the service in this process."""
    path, query, asked = key
    met = faults.Exchange(path, query, asked)
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]

    async def receive() -> faults.Message:
        return {"type": "http.request", "body": asked, "more_body": False}

    async def send(message: faults.Message) -> None:
        if message["type"] == "http.response.start":
            met.status, met.headers = message["status"], list(message["headers"])
        else:
            met.body += message.get("body", b"")

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST" if asked else "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def ask() -> None:
        await application(scope, receive, send)

    asyncio.run(ask())
    return met
