"""The call centre: inbound calls, and the telephone system that exported them, in local times without a zone, until the
company moved to Twilio (``voice``). Called by ``simulation``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import ClassVar, Self

from cxflow_demo.clock import later, local
from cxflow_demo.demand import Need
from cxflow_demo.people import Person
from cxflow_demo.record import Identifier, Row, local_second
from cxflow_demo.spelling import phone_on_trunk
from cxflow_demo.words import remark


@dataclass(frozen=True, slots=True)
class Call:
    """One inbound call, answered or abandoned; it never changes. Durations are in seconds."""

    stream: ClassVar[str] = "callcentre.calls"
    is_deleted: ClassVar[bool] = False

    call_id: str
    person: Person
    caller: str | None
    """E.164; None if the number was withheld."""
    queue: str
    agent: str
    reason: str
    started_at: datetime
    answered: bool
    wait_seconds: int
    talk_seconds: int = 0
    hold_seconds: int = 0
    acw_seconds: int = 0
    transfers: int = 0
    note: str = ""
    """What the agent wrote down."""

    @property
    def key(self) -> str:
        return self.call_id

    @property
    def answered_at(self) -> datetime | None:
        """When an agent took it; None where nobody did."""
        return later(self.started_at, self.wait_seconds / 3600) if self.answered else None

    @property
    def ended_at(self) -> datetime:
        """When the call ended; after-call work follows."""
        return later(self.started_at, (self.wait_seconds + self.talk_seconds + self.hold_seconds) / 3600)

    @property
    def changed_at(self) -> datetime:
        return self.ended_at

    def row(self) -> Row:
        return {
            "call_id": self.call_id,
            "queue": self.queue,
            "caller": phone_on_trunk(self.caller, self.call_id) if self.caller else "anonymous",
            "agent": self.agent,
            "reason": self.reason,
            "started_at": local_second(self.started_at),
            "answered_at": local_second(self.answered_at),
            "ended_at": local_second(self.ended_at),
            "wait_seconds": str(self.wait_seconds),
            "talk_seconds": str(self.talk_seconds),
            "hold_seconds": str(self.hold_seconds),
            "acw_seconds": str(self.acw_seconds),
            "transfers": str(self.transfers),
            "outcome": "answered" if self.answered else "abandoned",
            "note": self.note,
        }

    def identifiers(self) -> Iterator[Identifier]:
        if self.caller:
            yield "phone", self.caller

    def touched(self, _: datetime, /) -> Self:
        return self


def calls(rng: Random, needs: Iterable[Need]) -> list[Call]:
    """The calls for the needs that are expressed by phone."""
    phoned = [need for need in needs if need.channel == "phone"]
    return [_call(rng, f"K{500_000 + n}", need) for n, need in enumerate(phoned)]


def _call(rng: Random, call_id: str, need: Need) -> Call:
    wall = local(need.at)
    # Mondays and late mornings are the busiest.
    crowded = 0.09 * (wall.weekday() == 0) + 0.07 * (10 <= wall.hour < 13)
    queued = rng.random() < 0.17 + crowded
    wait = 20 + round(rng.expovariate(1 / 75)) if queued else rng.randrange(2, 21)
    answered = rng.random() > (0.3 if queued else 0.015)
    caller = None if rng.random() < 0.06 else need.person.phone
    queue = "orders" if need.order_id else "service"
    if not answered:
        return Call(call_id, need.person, caller, queue, "", need.reason, need.at, False, wait)
    return Call(
        call_id=call_id,
        person=need.person,
        caller=caller,
        queue=queue,
        agent=f"agent{rng.randrange(1, 15):02d}",
        reason=need.reason,
        started_at=need.at,
        answered=True,
        wait_seconds=wait,
        talk_seconds=20 + round(rng.lognormvariate(5.3, 0.55)),
        hold_seconds=round(rng.expovariate(1 / 50)) if rng.random() < 0.25 else 0,
        acw_seconds=round(rng.expovariate(1 / 45)),
        transfers=int(rng.random() < 0.09),
        note=remark(rng, rng.random()),
    )
