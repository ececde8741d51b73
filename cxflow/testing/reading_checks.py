"""Checks of how a connector reads: windows, cursors, checkpoints. Nothing is loaded. Part of the conformance suite."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from cxflow import sources
from cxflow.errors import StaleCheckpointError
from cxflow.model.reading import Cursor, Page
from cxflow.model.window import Window, scheduled
from cxflow.testing import broken_reading, pulled
from cxflow.testing.sample import NAME, Sample

_MOMENT = timedelta(microseconds=1)


class ReadingChecks:
    """The records of a stream, asked for in different ways."""

    def test_its_reading_can_be_ended_after_the_first_record(self, sample: Sample) -> None:
        """A dry run stops asking, and nothing of it stays."""
        project = sample.new_project()
        first, *others = sample.streams
        tried = sources.try_first(
            project.settings, NAME, first, Window(None, sample.end), "scheduled", records=1
        )
        assert tried.records == 1, "reading may stop after any item"
        assert project.query("SELECT count(*) FROM load_run") == [(0,)]
        assert not (project.folder / "landing").exists()
        connector = sample.connector()
        for name in others:
            reading = connector.read(connector.stream(name), Window(None, sample.end), {})
            for item in reading:
                if isinstance(item, Page) and item.records:
                    break
            reading.close()

    def test_every_stream_read_twice_gives_the_same(self, sample: Sample) -> None:
        """Records and cursor are the same, as nothing changed."""
        for stream in sample.streams:
            first, second = sample.whole(stream), sample.read(stream)
            assert first.records, f"the sample has no record of {stream}"
            assert second.sorted == first.sorted, f"{stream}, read again, differs"
            assert second.cursor == first.cursor, f"the cursor of {stream} differs, although nothing changed"

    def test_a_window_equals_the_sum_of_its_parts(self, sample: Sample) -> None:
        """Cut in two at times that stand in its records, a window gives the same records."""
        for stream in sample.streams:
            whole = set(sample.whole(stream).records)
            for at in pulled.turning_points(sample.whole(stream), sample.end):
                parts = sample.read(stream, None, at).records + sample.read(stream, at).records
                _same(set(parts), whole, f"{stream}, read up to {at} and from there")

    def test_a_boundary_hides_no_record(self, sample: Sample) -> None:
        """A window of a microsecond around a record's time, and what is before and after it, give all records."""
        for stream in sample.streams:
            whole = set(sample.whole(stream).records)
            for at in pulled.turning_points(sample.whole(stream), sample.end, most=2):
                edges = (None, at, at + _MOMENT, sample.end)
                parts = [
                    record
                    for start, end in pairwise(edges)
                    for record in sample.read(stream, start, end).records
                ]
                _same(set(parts), whole, f"{stream}, read up to {at}, that moment alone, and from there")

    def test_incremental_reading_finds_what_a_full_one_finds(self, sample: Sample) -> None:
        """Scheduled runs one after another, each from the cursor before, miss nothing."""
        for stream in sample.streams:
            ends = [*pulled.turning_points(sample.whole(stream), sample.end), sample.end]
            found, _ = _incremental(sample, stream, ends)
            lost = set(sample.read(stream, None, _until(sample, stream)).records) - found
            assert not lost, f"{stream}, read in {len(ends)} runs, misses {len(lost)} records"

    def test_its_cursor_never_goes_back(self, sample: Sample) -> None:
        """Neither in windows with records nor in empty ones is a time or a number of the cursor less than before."""
        for stream in sample.streams:
            points = pulled.turning_points(sample.whole(stream), sample.end)
            # The last windows hold nothing new.
            ends = [*points, sample.end, sample.end + timedelta(seconds=1), sample.end + timedelta(hours=1)]
            _, cursors = _incremental(sample, stream, ends)
            for before, after in pairwise(cursors):
                assert not _went_back(before, after), f"the cursor of {stream} went back: {before} -> {after}"

    def test_an_interrupted_reading_resumes_after_its_last_checkpoint(self, sample: Sample) -> None:
        """Killed after any page, it goes on with a new connector and gives the rest, no more and no less."""
        connector = sample.connector()
        if not connector.can_resume:
            return
        places = {stream: len(sample.whole(stream).checkpoints) for stream in sample.streams}
        assert any(places.values()), "the sample is too small: no page of it has a checkpoint"
        for stream, number in places.items():
            whole = sample.whole(stream)
            for place in range(1, number + 1):
                _resumed(sample, stream, place)
            for _, checkpoint in whole.checkpoints:
                assert not sample.tells_of_a_person(checkpoint), (
                    f"a checkpoint of {stream} holds personal data"
                )
        self._resumes_from_the_landing_zone(sample, max(places, key=lambda each: places[each]))

    @staticmethod
    def _resumes_from_the_landing_zone(sample: Sample, name: str) -> None:
        """The same through the landing zone, which keeps the pages, at one place."""
        settings, connector = sample.project.settings, sample.connector()
        stream, window = connector.stream(name), Window(None, sample.end)
        whole, checkpoints = broken_reading.whole(settings, connector, stream, window)
        rest = broken_reading.in_two(settings, connector, stream, window, len(checkpoints) // 2 + 1)
        assert rest == whole, f"{name}, resumed from the landing zone, differs"

    def test_a_window_before_everything_is_empty(self, sample: Sample) -> None:
        """A day of 1990 has no record, where windows limit what is read."""
        long_ago = datetime(1990, 1, 1, tzinfo=sample.end.tzinfo)
        connector = sample.connector()
        for name, stream in connector.streams.items():
            if connector.is_windowed(stream):
                found = sample.read(name, long_ago, long_ago + timedelta(days=1)).records
                assert not found, f"{name} has {len(found)} records of a day in 1990"


def _resumed(sample: Sample, stream: str, place: int) -> None:
    """Break off after the checkpoint of that number, and go on with a new connector, as after a kill."""
    whole = sample.whole(stream)
    kept = sample.read(stream, checkpoints=place)
    try:
        rest = sample.read(stream, after=kept.checkpoints[-1][1])
    except StaleCheckpointError:
        pytest.fail(f"{stream}: it does not resume from its checkpoint {place}, but reads from the start")
    together = [*kept.records, *rest.records]
    assert together == whole.records, f"{stream}, resumed after checkpoint {place}, differs"
    assert rest.cursor == whole.cursor, f"{stream}, resumed after checkpoint {place}, has another cursor"


def _until(sample: Sample, stream: str) -> datetime:
    """The end of a scheduled window."""
    lag: timedelta = sample.connector().stream(stream).lag
    return sample.end - lag


def _incremental(sample: Sample, stream: str, ends: list[datetime]) -> tuple[set[str], list[Cursor]]:
    """The records that scheduled runs up to these ends read, and the cursor after each."""
    declared = sample.connector().stream(stream)
    found: set[str] = set()
    cursors: list[Cursor] = [{}]
    position: datetime | None = None
    for end in ends:
        window = scheduled(position, end - declared.lag, declared.look_back, None)
        read = sample.read(stream, window.start, window.end, cursor=cursors[-1])
        found.update(read.records)
        cursors.append(read.cursor)
        position = window.end
    return found, cursors


def _same(found: set[str], whole: set[str], what: str) -> None:
    lost, more = whole - found, found - whole
    assert not lost, f"{what}, misses {len(lost)} of {len(whole)} records"
    assert not more, f"{what}, has {len(more)} records that the whole has not"


def _went_back(before: Cursor, after: Cursor) -> bool:
    """Whether a number or a time in a cursor is less than it was."""
    known = {path: value for path, value in pulled.leaves(before) if _comparable(value)}
    return any(
        path in known and type(value) is type(known[path]) and value < known[path]
        for path, value in pulled.leaves(after)
    )


def _comparable(value: Any) -> bool:
    """Numbers, and times as texts: these sort as they follow each other, if written in one way."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (isinstance(value, str) and value[:4].isdigit() and "-" in value)
