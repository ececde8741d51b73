"""Checks of a connector against its service when answers go wrong. Part of the conformance suite."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from cxflow import flow, sources
from cxflow.connect.http import budget, client
from cxflow.connect.http.budget import RateLimit
from cxflow.connect.http.connector import RestConnector
from cxflow.connect.http.stream import RestStream
from cxflow.errors import ConfigError, CountError, CxflowError, SourceError, TransientError, UnexpectedError
from cxflow.model.window import Window
from cxflow.testing import faults, mutated_pages, page_faults, pulled
from cxflow.testing.project import VOLATILE, TestProject
from cxflow.testing.sample import NAME, Sample
from cxflow.testing.service import served
from cxflow.warehouse import tables

_RESERVE = budget.Budget.reserve
_TOLD = (ConfigError, SourceError, CountError, TransientError)
_SLACK = 3
"""Requests that may come earlier than their budget says: for tokens, and one that is sent ahead."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]{12,}={0,2}")


class ServiceChecks:
    """The service behind a proxy with faults."""

    @pytest.fixture
    def service(self, sample: Sample) -> None:
        """Skips connectors that ask no service."""
        if sample.kit.service is None:
            pytest.skip("it asks no service")

    @pytest.fixture
    def rest(self, sample: Sample) -> RestConnector:
        """Skips connectors that do not ask by cxflow's machinery."""
        connector = sample.connector()
        if sample.kit.service is None or not isinstance(connector, RestConnector):
            pytest.skip("it does not use cxflow's client")
        return connector

    @pytest.mark.usefixtures("service")
    def test_trouble_that_passes_loses_and_doubles_nothing(self, sample: Sample) -> None:
        """Each request goes wrong once; the same records come."""
        for number, (name, fault) in enumerate(faults.PASSING.items()):
            for stream in _in_turn(sample, number):
                with sample.faulty(fault) as proxy:
                    _same_as_whole(sample, stream, name)
                    assert proxy.failed, "the service was not asked"

    @pytest.mark.usefixtures("rest")
    def test_an_answer_that_does_not_come_is_asked_for_again(self, sample: Sample) -> None:
        """A request without an answer is given up and sent again."""
        configuration = sample.kit.configuration(sample.url)
        configuration["connections"][NAME]["timeout_seconds"] = 0.3
        stream = sample.streams[0]
        sample.project.reconfigure(configuration)
        try:
            with sample.faulty(_once(faults.hang)) as proxy:
                _same_as_whole(sample, stream, "an answer that does not come")
                assert proxy.failed, "the service was not asked"
        finally:
            sample.project.reconfigure(sample.kit.configuration(sample.url))

    @pytest.mark.usefixtures("service")
    def test_trouble_that_stays_ends_the_pull_and_loads_nothing(self, sample: Sample) -> None:
        """Each fault ends in its class of error; nobody else is asked."""
        elsewhere = _Elsewhere()
        with served(elsewhere) as address:
            lasting = {
                **faults.LASTING,
                "a redirect to another host": faults.Lasting(
                    faults.redirect(address), (ConfigError, SourceError)
                ),
            }
            for number, (name, (fault, ends)) in enumerate(lasting.items()):
                for stream in _in_turn(sample, number):
                    with sample.faulty(fault, stays=True), pytest.raises(CxflowError) as caught:
                        sample.read(stream)
                    assert isinstance(caught.value, ends), (
                        f"{name}: {stream} ended with {type(caught.value).__name__}: {caught.value}"
                    )
        assert not elsewhere.asked, "a redirect to another host was followed"
        self._lands_nothing(sample)

    @staticmethod
    def _lands_nothing(sample: Sample) -> None:
        project, stream = sample.new_project(), sample.streams[0]
        with (
            sample.faulty(faults.status(403), stays=True),
            pytest.raises((ConfigError, SourceError)) as caught,
        ):
            flow.run_stream(project.settings, NAME, stream, Window(None, sample.end), "backfill")
        assert caught.value.place == f"{NAME}.{stream}"
        assert project.query("SELECT count(*) FROM load_run") == [(0,)]

    @pytest.mark.usefixtures("service")
    def test_a_token_that_is_refused_is_renewed_or_named(self, sample: Sample) -> None:
        """The same records come, or a ConfigError."""
        for stream in sample.streams:
            with sample.faulty(faults.status(401)):
                try:
                    found = sample.read(stream)
                except ConfigError:
                    continue
            assert found.sorted == sample.whole(stream).sorted, f"a token expired: {stream} has other records"

    @pytest.mark.usefixtures("service")
    def test_answers_that_lie_are_noticed_or_do_no_harm(self, sample: Sample) -> None:
        """Every record is there, or an error says why."""
        elsewhere = _Elsewhere()
        with served(elsewhere) as address:
            for name, fault in {
                **page_faults.CONTENT,
                "links to another host": page_faults.linked(address),
            }.items():
                for stream in sample.streams:
                    _told_or_complete(sample, stream, name, fault)
        assert not elsewhere.asked, "a link to another host was followed"

    @pytest.mark.usefixtures("service")
    def test_records_that_come_twice_become_one_row(self, sample: Sample) -> None:
        """Records come twice, pages overlap, and a field is new: the warehouse gets what it would get otherwise."""
        assert sample.loaded
        project, streams = sample.new_project(), []
        for stream in sample.largest:
            with sample.faulty(page_faults.twice_and_more, stays=True, stream=stream):
                try:
                    project.run(NAME, stream, mode="backfill", end=sample.end)
                except UnexpectedError:
                    raise
                except _TOLD:
                    continue
            streams.append(stream)
        for table in tables.CANONICAL:
            found, expected = (_rows(each, table, streams) for each in (project, sample.project))
            assert found == expected, f"{table} has other rows if records come twice"
        assert project.books_balance()

    @pytest.mark.usefixtures("service")
    def test_a_field_that_is_gone_or_changed_is_told(self, sample: Sample) -> None:
        """Without its key, or with an object in its place, no record is lost unnoticed."""
        project = sample.new_project()
        connector = sample.connector()
        stream = max(sample.streams, key=lambda each: len(sample.whole(each).records))
        key = re.split(r"\W", connector.stream(stream).primary_key[0].strip('"'))[0]
        for fault in (page_faults.without(key), page_faults.retyped(key)):
            with sample.faulty(fault, stays=True):
                try:
                    reports = project.run(NAME, stream, mode="backfill", end=sample.end)
                except UnexpectedError:
                    raise
                except CxflowError:
                    continue
            counts = reports[f"{NAME}.{stream}"].counts
            assert counts.balanced
            assert counts.extracted == len(sample.whole(stream).records)
        assert project.books_balance()

    @pytest.mark.usefixtures("rest")
    def test_a_thousand_mutated_pages_crash_nothing_and_hide_nothing(self, sample: Sample) -> None:
        """Damaged pages end with an error of cxflow, or land whole; then each record is loaded or refused."""
        mutated_pages.check(sample)

    def test_the_budget_is_kept(
        self, sample: Sample, rest: RestConnector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each of its limits is made one request a second, and the service counts by a clock that waits with the
        connector. A pause that the service asks for is kept, too."""
        counts_points = type(rest).points is not RestConnector.points
        assert rest.allowed or counts_points, "it says how many requests the service allows"
        strict = tuple(RateLimit(1, 1.0, of=rate.of) for rate in rest.allowed) or (RateLimit(1, 1.0),)
        now = [1_000_000_000.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        monkeypatch.setattr(budget.Budget, "reserve", _RESERVE)
        monkeypatch.setattr(budget, "time", SimpleNamespace(time=lambda: now[0]))
        monkeypatch.setattr(client, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: 0.0))
        monkeypatch.setattr(type(rest), "allowed", property(lambda _: strict))
        monkeypatch.setattr(sample.proxy, "clock", lambda: now[0])
        for stream in sample.streams:
            with sample.faulty(None) as proxy:
                sample.read(stream)
                for rate in strict:
                    times = [each.at for each in proxy.exchanges if rate.of in each.path]
                    assert not times or max(times) - min(times) >= len(times) - 1 - _SLACK, (
                        f"{stream}: {len(times)} requests of {rate.of or 'all'} in {max(times) - min(times):.0f} s, "
                        "at one a second"
                    )
            with sample.faulty(_once(faults.status(429, (b"retry-after", b"30")))) as proxy:
                _same_as_whole(sample, stream, "a pause")
                first, second = (each.at for each in proxy.exchanges[:2])
                assert second - first >= 29, f"{stream}: the service asked for 30 s, and got {second - first}"

    def test_secrets_are_never_printed(
        self,
        sample: Sample,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Not in errors, logs, plans, names of data, the landing zone or the ledger."""
        secrets = [value for value in sample.kit.environment.values() if len(value) >= 8]
        project = sample.new_project()
        connector = sample.connector()
        told = [repr(connector.connection), repr(project.settings), str(connector.connection)]
        with caplog.at_level(logging.DEBUG), _quiet(caplog):
            for stream in sample.streams:
                told += sources.plan(project.settings, NAME, stream, Window(None, sample.end), "scheduled")
                told += sources.doctor(project.settings, NAME, stream)
                told += map(str, connector.datasets(connector.stream(stream)))
            stream = sample.streams[0]
            flow.extract(project.settings, NAME, stream, Window(None, sample.end), "scheduled")
            for fault in (faults.echo, faults.status(401), faults.reset) if sample.kit.service else ():
                with sample.faulty(fault, stays=True), pytest.raises(CxflowError) as caught:
                    flow.extract(project.settings, NAME, stream, Window(None, sample.end), "backfill")
                told += [str(caught.value), repr(caught.value)]
        landed = (project.folder / "landing").rglob("*.json")
        told += [path.read_text(encoding="utf-8", errors="replace") for path in landed]
        told += [caplog.text, *capfd.readouterr()]
        for text in told:
            for secret in secrets:
                assert secret not in text, "a secret is printed"
                assert not any(secret in decoded for decoded in _decoded(text)), (
                    "a secret is printed, encoded"
                )


def _in_turn(sample: Sample, number: int) -> list[str]:
    """The streams for a fault of that number. What cxflow's client does is the same for all of them, so that two, in
    turn, are enough."""
    streams = sample.streams
    if not isinstance(sample.connector(), RestConnector):
        return streams
    return list(dict.fromkeys(streams[(2 * number + place) % len(streams)] for place in (0, 1)))


def _rows(project: TestProject, table: str, streams: list[str]) -> list[object]:
    """The rows that come from these streams."""
    names = [column.name for column in tables.CANONICAL[table].columns if column.name not in VOLATILE]
    stream = names.index("source_object")
    return [row for row in project.rows(table, *names) if row[stream] in streams]


def _once(fault: faults.Fault) -> faults.Fault:
    """The fault at the first request, and then no more."""
    spoilt: list[bool] = []

    async def once(met: faults.Exchange, send: faults.Send) -> None:
        if spoilt:
            await faults.passed_on(met, send)
        else:
            spoilt.append(True)
            await fault(met, send)

    return once


def _same_as_whole(sample: Sample, stream: str, what: str) -> None:
    found, whole = sample.read(stream).sorted, sample.whole(stream).sorted
    assert found == whole, f"{what}: {stream} has {len(found)} records instead of {len(whole)}, or others"


def _told_or_complete(sample: Sample, stream: str, what: str, fault: faults.Fault) -> None:
    """Read with a fault of content: an error says so, or every record is there."""
    key = sample.connector().stream(stream).primary_key
    whole = {_identity(record, key) for record in sample.whole(stream).records}
    with sample.faulty(fault, stays=True, stream=stream) as proxy:
        try:
            found = {_identity(record, key) for record in sample.read(stream).records}
        except _TOLD:
            found = whole
        assert len(proxy.exchanges) <= (proxy.most or 0), f"{what}: {stream} asks without end"
    if fault in (page_faults.repeated, page_faults.led_back) and _ends_by_repeating(sample, stream):
        return
    assert whole <= found, f"{what}: {stream} lost {len(whole - found)} of {len(whole)} records unnoticed"


def _ends_by_repeating(sample: Sample, stream: str) -> bool:
    """Whether the stream declares that the last page may come again: nobody can tell it from one that hides another."""
    declared = sample.connector().stream(stream)
    return isinstance(declared, RestStream) and any(call.pages.last_may_repeat for call in declared.calls)


def _identity(record: str, key: tuple[str, ...]) -> str:
    """What tells a record from others: its key, where that is a list of fields, else all of it."""
    known = dict(pulled.leaves(json.loads(record)))
    names = [name.replace('"', "") for name in key]
    return str([known[name] for name in names]) if all(name in known for name in names) else record


class _Elsewhere:
    """Another host, which must not be asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, _scope: Any, _receive: faults.Receive, send: faults.Send) -> None:
        self.asked += 1
        await faults.status(200)(faults.Exchange(), send)


@contextmanager
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every logger tells all that it has."""
    with caplog.at_level(logging.DEBUG, "httpx2"), caplog.at_level(logging.DEBUG, "httpcore2"):
        yield


def _decoded(text: str) -> Iterator[str]:
    """What stands in a text in Base64."""
    for found in _BASE64.findall(text):
        try:
            yield base64.b64decode(found + "=" * (-len(found) % 4)).decode("utf-8", "replace")
        except ValueError:
            continue
