"""Connectors that are broken on purpose, each in one way: the conformance suite must find each of them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import httpx2
from invented_desk import DeskConnection, InventedDesk
from pydantic import ConfigDict

from cxflow import Cursor, Page, Reading, Window, hookimpl, http
from cxflow.errors import TransientError
from cxflow.model.reading import Count
from cxflow.model.stream import Projection

_numbers = count()
_EMAIL = "person1@example.org"


def _tickets(**changed: Any) -> tuple[http.RestStream, ...]:
    return (InventedDesk.declared[0].model_copy(update=changed),)


class Untitled(InventedDesk):
    name = "untitled"
    title = ""


class _ShowsItsPassword(DeskConnection):
    """A password that is no secret."""

    password: str = ""
    """The account's."""


class ShowsItsPassword(InventedDesk):
    name = "shows_its_password"
    connection_model = _ShowsItsPassword


class _TakesEverySetting(DeskConnection):
    """Misspelt settings pass."""

    model_config = ConfigDict(extra="ignore")


class TakesEverySetting(InventedDesk):
    name = "takes_every_setting"
    connection_model = _TakesEverySetting


class Undocumented(InventedDesk):
    """The README of its distribution is another connector's."""

    name = "undocumented"
    distribution = "cxflow-typeform"


class MapsWhatIsNotThere(InventedDesk):
    name = "maps_what_is_not_there"
    declared = _tickets(to={"support_case": (Projection(columns={"case_id": "id", "no_such": "id"}),)})


class HasNoPlan(InventedDesk):
    name = "has_no_plan"

    def plan(self, stream: http.RestStream, window: Window, cursor: Cursor | None) -> list[str]:
        return []


class TagsNothing(InventedDesk):
    name = "tags_nothing"
    declared = _tickets(pii=())


class _Reads(InventedDesk):
    """Changes what is read."""

    def read(self, stream: http.RestStream, window: Window, cursor: Cursor | None) -> Reading:
        return (yield from self.changed(super().read(stream, self.window(window, cursor), cursor), cursor))

    def window(self, window: Window, cursor: Cursor | None) -> Window:
        return window

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        return (yield from reading)


class CannotBeEnded(_Reads):
    name = "cannot_be_ended"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        try:
            return (yield from reading)
        except GeneratorExit:
            raise OSError("the connection was in use") from None


class CountsItsRuns(_Reads):
    name = "counts_its_runs"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        found = yield from reading
        return {**(found or {}), "runs": next(_numbers)}


class LeavesTheFirstDayOut(_Reads):
    name = "leaves_the_first_day_out"

    def window(self, window: Window, cursor: Cursor | None) -> Window:
        return replace(window, start=window.start and min(window.start + timedelta(days=1), _before(window)))


class LeavesItsStartOut(_Reads):
    name = "leaves_its_start_out"

    def window(self, window: Window, cursor: Cursor | None) -> Window:
        return replace(
            window, start=window.start and min(window.start + timedelta(seconds=1), _before(window))
        )


class TrustsItsCursorTooMuch(_Reads):
    name = "trusts_its_cursor_too_much"

    def window(self, window: Window, cursor: Cursor | None) -> Window:
        if not cursor or window.start is None:
            return window
        return replace(window, start=min(window.start + timedelta(days=2), _before(window)))


class GoesByTheLastRecord(_Reads):
    name = "goes_by_the_last_record"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        last = "2000-01-01T00:00:00Z"
        while True:
            try:
                item = next(reading)
            except StopIteration:
                return {"until": last}
            if isinstance(item, Page) and item.records:
                last = json.loads(item.records[-1])["updated_at"]
            yield item

    def resume(self, stream: Any, window: Any, cursor: Any, checkpoint: Any) -> Reading:
        return (yield from self.changed(super().resume(stream, window, cursor, checkpoint), cursor))


class ResumesElsewhere(InventedDesk):
    """It goes on after the page after its checkpoint."""

    name = "resumes_elsewhere"

    def resume(self, stream: Any, window: Any, cursor: Any, checkpoint: Any) -> Reading:
        reading = super().resume(stream, window, cursor, checkpoint)
        next(reading, None), next(reading, None)
        return (yield from reading)


class KnowsNoPast(_Reads):
    name = "knows_no_past"
    declared = _tickets(sweeps=())

    def window(self, window: Window, cursor: Cursor | None) -> Window:
        return Window(None, window.end + timedelta(days=20_000)) if window.end.year < 2000 else window


class ReadsNothing(_Reads):
    name = "reads_nothing"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        for item in reading:
            if isinstance(item, Page):
                yield Count(0, item.origin)
        return {}


class TellsTheTime(InventedDesk):
    """Each record says when it was read, and the mapping shows it."""

    name = "tells_the_time"
    declared = _tickets(
        to={
            "support_case": (Projection(columns={"case_id": "id", "opened_at": "created_at", "reason": "n"}),)
        },
        version=None,
    )

    def completed(self, client: http.Client, stream: http.RestStream, records: list[bytes]) -> list[bytes]:
        return [b'{"n":"%d",' % next(_numbers) + record[1:] for record in records]


class BackfillsLess(_Reads):
    name = "backfills_less"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        for item in reading:
            if cursor is None and isinstance(item, Page) and item.records:
                item = replace(item, records=item.records[1:])
            if cursor is not None or not isinstance(item, Count):
                yield item
        return {}


class RemembersPeople(_Reads):
    name = "remembers_people"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        yield from reading
        return {"last": _EMAIL}


class NamesPeople(_Reads):
    """The place of its records names one of them, and the ledger names places without records."""

    name = "names_people"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        yield Count(0, f"/tickets/{_EMAIL}", remark_none=True)
        return (yield from reading)


class TakesErrorsForPages(InventedDesk):
    """An answer with status 500 has no records and no next page."""

    name = "takes_errors_for_pages"
    declared = _tickets(optional_records=True, says=None, sweeps=())
    errors = http.Errors(rules=(http.Rule(500, http.Then.USE),))


class TakesRefusalsForPages(InventedDesk):
    name = "takes_refusals_for_pages"
    declared = _tickets(optional_records=True, says=None, sweeps=())
    errors = http.Errors(rules=(http.Rule(418, http.Then.USE),))


class TakesExpiryForPages(InventedDesk):
    name = "takes_expiry_for_pages"
    declared = _tickets(optional_records=True, says=None, sweeps=())
    errors = http.Errors(rules=(http.Rule(401, http.Then.USE),))


class _Impatient(http.Client):
    """Silence is an empty page."""

    def _answer(self, *asked: Any) -> Any:
        try:
            return super()._answer(*asked)
        except httpx2.ReadTimeout:
            from datetime import UTC, datetime

            return http.Answer(b'{"tickets":[],"count":0}', datetime.now(UTC))


class TakesSilenceForAnEnd(InventedDesk):
    name = "takes_silence_for_an_end"

    @contextmanager
    def _client(self) -> Iterator[http.Client]:
        with super()._client() as client:
            client.__class__ = _Impatient
            yield client


class _WithoutEnd(http.Token):
    """Each request is a new one, whatever its token."""

    def after(self, page: http.Page) -> http.Request | None:
        following = super().after(page)
        if following is None:
            return None
        return replace(following.with_params(n=str(next(_numbers))), starts_again=True)


class GoesInCircles(InventedDesk):
    name = "goes_in_circles"
    declared = _tickets(pages=_WithoutEnd(token="paging.next.token", param="token"), sweeps=())


class KeysByPlace(InventedDesk):
    """A record's key is its place in the reading."""

    name = "keys_by_place"
    declared = _tickets(primary_key=("n",), says=None)

    def completed(self, client: http.Client, stream: http.RestStream, records: list[bytes]) -> list[bytes]:
        return [b'{"n":"%d",' % next(_numbers) + record[1:] for record in records]


class SkipsWhatHasNoId(_Reads):
    name = "skips_what_has_no_id"
    declared = _tickets(says=None)

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        while True:
            try:
                item = next(reading)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(item, Page):
                kept = [
                    record
                    for record in item.records
                    if isinstance(record, bytes) and isinstance(json.loads(record).get("id"), int)
                ]
                yield Count(len(kept), item.origin)
                yield replace(item, records=kept, rejects=())


class CrashesAtTheUnknown(_Reads):
    name = "crashes_at_the_unknown"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        for item in reading:
            for record in item.records if isinstance(item, Page) else ():
                json.loads(record)["status"].lower()
            yield item
        return {}


class AsksBesideTheBudget(InventedDesk):
    name = "asks_beside_the_budget"

    def completed(self, client: http.Client, stream: http.RestStream, records: list[bytes]) -> list[bytes]:
        for _ in range(3 * len(records)):
            with suppress(OSError):
                urllib.request.urlopen(f"{self.address}/v1/tickets", timeout=5).close()
        return records


class IgnoresPauses(InventedDesk):
    name = "ignores_pauses"
    errors = http.Errors(rules=(http.Rule(429, http.Then.RETRY),))


class PrintsItsToken(InventedDesk):
    name = "prints_its_token"

    def plan(self, stream: http.RestStream, window: Window, cursor: Cursor | None) -> list[str]:
        return [f"with {self.connection.token.reveal('token').get_secret_value()}"]


class GivesUpAtOnce(_Reads):
    """A pause ends the reading, and nobody hears of it."""

    name = "gives_up_at_once"

    def changed(self, reading: Reading, cursor: Cursor | None) -> Reading:
        try:
            return (yield from reading)
        except TransientError:
            return {}


def _before(window: Window) -> Any:
    return window.end - timedelta(microseconds=1)


BROKEN: list[type[InventedDesk]] = [
    each
    for each in list(globals().values())
    if isinstance(each, type) and issubclass(each, InventedDesk) and each not in (InventedDesk, _Reads)
]


@hookimpl
def cxflow_connectors() -> list[type[InventedDesk]]:
    """All of them."""
    return [InventedDesk, *BROKEN]
