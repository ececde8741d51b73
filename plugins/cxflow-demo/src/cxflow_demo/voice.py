"""The telephone since the company moved to Twilio: calls with their legs, and TaskRouter's tasks. Called by
``simulation``.

Each call that the call centre takes is a call with a leg for each agent, and a task that waits in a queue: one of them
may be good without the other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import ClassVar, Self

from cxflow_demo import twilio
from cxflow_demo.callcentre import Call
from cxflow_demo.clock import DAILY_START, LAST, MOVED, at, later, local_day
from cxflow_demo.record import Identifier, Row

GREETING = timedelta(seconds=8)
"""From the start of a call to its task: what the greeting takes."""
FORGOTTEN = frozenset({DAILY_START - timedelta(days=1), DAILY_START + timedelta(days=2), LAST})
"""Days on which the last agent leaves without ending the wrap-up; a job ends it after midnight."""
_CLEANED = 1 / 6
"""When that job runs, in hours after midnight."""


@dataclass(frozen=True, slots=True)
class VoiceCall:
    """One version of a call, or of a leg of it to an agent."""

    stream: ClassVar[str] = "voice.calls"
    is_deleted: ClassVar[bool] = False
    reason: ClassVar[str] = ""
    """Twilio knows the reason of a task, not of a call."""

    call: Call
    leg: int
    """0: the customer's own call."""
    started_at: datetime
    ended_at: datetime
    priced_at: datetime | None = None

    @property
    def key(self) -> str:
        return twilio.call_sid(_number(self.call), self.leg)

    @property
    def changed_at(self) -> datetime:
        return self.priced_at or self.ended_at

    def row(self) -> Row:
        minutes = -(-(self.ended_at - self.started_at).total_seconds() // 60)
        return twilio.call(
            _number(self.call),
            self.leg,
            caller=self.call.caller,
            agent=self.call.agent,
            started_at=self.started_at,
            ended_at=self.ended_at,
            updated_at=self.changed_at,
            price=f"{-0.01 * minutes:.5f}" if self.priced_at else None,
        )

    def identifiers(self) -> Iterator[Identifier]:
        if self.call.caller and not self.leg:
            yield "phone", self.call.caller

    def touched(self, _: datetime, /) -> Self:
        return self


@dataclass(frozen=True, slots=True)
class Task:
    """One version of a call's task: abandoned, in wrap-up or completed."""

    stream: ClassVar[str] = "voice.tasks"
    is_deleted: ClassVar[bool] = False

    call: Call
    completed_at: datetime | None
    """When an agent's wrap-up was ended; None: it was not yet, or nobody answered."""

    @property
    def key(self) -> str:
        return twilio.task_sid(_number(self.call))

    @property
    def started_at(self) -> datetime:
        """When the caller began to wait."""
        return self.call.started_at + GREETING

    @property
    def answered(self) -> bool:
        """Whether an agent took it."""
        return self.call.answered

    @property
    def wait_seconds(self) -> int:
        """From the start of the wait to an answer, or until the caller gave up."""
        return self.call.wait_seconds

    @property
    def talk_seconds(self) -> int:
        """What all agents talked, without holds."""
        return self.call.talk_seconds

    @property
    def hold_seconds(self) -> int:
        """What the agents' desktop notes of holds."""
        return self.call.hold_seconds

    @property
    def transfers(self) -> int:
        """From one agent to another."""
        return self.call.transfers

    @property
    def acw_seconds(self) -> int:
        """After-call work: from the hang-up to the end of the wrap-up; 0 before that end."""
        return round((self.completed_at - self._hung_up_at).total_seconds()) if self.completed_at else 0

    @property
    def changed_at(self) -> datetime:
        return self.completed_at or self._hung_up_at

    @property
    def _hung_up_at(self) -> datetime:
        return self.call.ended_at + GREETING

    def row(self) -> Row:
        return twilio.task(
            _number(self.call),
            caller=self.call.caller,
            queue=self.call.queue,
            topic=self.call.reason,
            noted={
                "abandoned": "No" if self.answered else "Yes",
                "hold_time": self.hold_seconds if self.answered else None,
            },
            steps=list(self._steps()),
        )

    def _steps(self) -> Iterator[twilio.Step]:
        yield twilio.Step("task.created", self.started_at)
        yield twilio.Step("task-queue.entered", self.started_at)
        if not self.answered:
            hung_up = {"task_canceled_reason": "hangup"}
            yield twilio.Step("task.canceled", self._hung_up_at, hung_up, closes=True)
            return
        moment, agents = self.started_at + timedelta(seconds=self.wait_seconds), _agents(self.call)
        share = (self.talk_seconds + self.hold_seconds) // len(agents)
        for turn, agent in enumerate(agents):
            worker = _named(agent)
            if turn:
                yield twilio.Step("reservation.wrapup", moment, _named(agents[turn - 1]))
                yield twilio.Step("task.transfer-completed", moment, worker)
            yield twilio.Step("reservation.created", moment, worker)
            yield twilio.Step("reservation.accepted", moment, worker)
            moment += timedelta(seconds=share)
        last = _named(agents[-1])
        yield twilio.Step("reservation.wrapup", self._hung_up_at, last, closes=True)
        yield twilio.Step("task.wrapup", self._hung_up_at, last, closes=True)
        if self.completed_at:
            done = {**last, "task_completed_reason": "wrap-up ended"}
            yield twilio.Step("task.completed", self.completed_at, done, closes=True)

    def identifiers(self) -> Iterator[Identifier]:
        if self.call.caller:
            yield "phone", self.call.caller

    def touched(self, _: datetime, /) -> Self:
        return self


def calls(rng: Random, phoned: Iterable[Call]) -> list[VoiceCall]:
    """The versions of each call since the move, and its legs. A call is priced within a day."""
    found = []
    for call in _since_the_move(phoned):
        ended_at = call.ended_at + GREETING
        first = VoiceCall(call, 0, call.started_at, ended_at)
        found += [
            first,
            VoiceCall(call, 0, first.started_at, ended_at, later(ended_at, rng.uniform(0.1, 23))),
        ]
        if call.answered_at:
            agents = _agents(call)
            share = timedelta(seconds=(call.talk_seconds + call.hold_seconds) // len(agents))
            for turn in range(len(agents)):
                start = call.answered_at + GREETING + turn * share
                until = ended_at if turn == len(agents) - 1 else start + share
                found.append(VoiceCall(call, turn + 1, start, until))
    return found


def tasks(phoned: Iterable[Call]) -> list[Task]:
    """The versions of each call's task since the move."""
    since = list(_since_the_move(phoned))
    last: dict[date, Call] = {}
    for call in since:
        day = local_day(call.started_at)
        if call.answered and (day not in last or call.ended_at > last[day].ended_at):
            last[day] = call
    found = []
    for call in since:
        day = local_day(call.started_at)
        if not call.answered:
            found.append(Task(call, None))
        elif day in FORGOTTEN and call is last[day]:
            found += [Task(call, None), Task(call, at(day + timedelta(days=1), _CLEANED))]
        else:
            wrapped_up = call.ended_at + GREETING + timedelta(seconds=call.acw_seconds)
            found.append(Task(call, wrapped_up))
    return found


def _since_the_move(phoned: Iterable[Call]) -> Iterator[Call]:
    return (call for call in phoned if local_day(call.started_at) >= MOVED)


def _number(call: Call) -> int:
    return int(call.call_id.removeprefix("K"))


def _agents(call: Call) -> list[str]:
    """Who took a call, first come first; after a transfer, somebody whose job it is."""
    return [call.agent, *("specialist" for _ in range(call.transfers))]


def _named(agent: str) -> dict[str, str]:
    return {"worker_sid": _worker(agent), "worker_name": agent}


def _worker(agent: str) -> str:
    return f"WK{agent.encode().hex():0>32}"
