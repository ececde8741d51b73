"""The truth that a correct integration of the exports must find. Called by ``simulation``.

It is computed from the simulator's own records, never from files or a service's answers.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from cxflow_demo.clock import DAILY, DAILY_START, FIRST, LAST, ZONE_NAME
from cxflow_demo.defects import DEFECTS
from cxflow_demo.disorder import Delivery
from cxflow_demo.kpis import KpiValue, kpi_values
from cxflow_demo.persons import Persons
from cxflow_demo.record import Record
from cxflow_demo.served import SERVED


@dataclass(frozen=True)
class State:
    """The warehouse after all deliveries up to and including a day."""

    until: str
    live: dict[str, int]
    """Distinct good records by stream, without deleted ones."""
    quarantine_open: dict[str, int]
    """Bad records by stream without a good version."""
    customers: int
    """Distinct persons by e-mail, phone and external ids."""
    kpis: list[KpiValue]


@dataclass(frozen=True)
class Arrived:
    """What was delivered within some days, by stream."""

    records: dict[str, int]
    """Lines, including duplicates and malformed ones; of a service, the records that changed."""
    quarantine: dict[str, dict[str, int]]
    """Bad record versions by the rule they break; of a service, those that still stood at the end."""


@dataclass(frozen=True)
class Truth:
    """The expected numbers, and the period they are for."""

    seed: int
    scale: float
    reporting_timezone: str
    history: dict[str, str]
    """Local dates, half-open."""
    days: list[str]
    """The local days that are delivered one by one after the history."""
    records: dict[str, int]
    quarantine: dict[str, dict[str, int]]
    deliveries: dict[str, Arrived]
    """``records`` and ``quarantine`` of the history and of each later day, for who reads at the end of each."""
    live: dict[str, int]
    quarantine_open: dict[str, int]
    customers: int
    kpis: list[KpiValue]
    after_history: State
    """The state at the end of the history; the four fields above are for the end of the last day."""

    def as_json(self) -> str:
        """The text of `truth.json`."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def truth_of(seed: int, scale: float, deliveries: Iterable[Delivery], last: date = LAST) -> Truth:
    """The truth for these deliveries, which end with a day."""
    everything = list(deliveries)
    final = state_of(everything, last)
    eve = DAILY_START - timedelta(days=1)
    spans = {"history": (FIRST, eve)} | {day.isoformat(): (day, day) for day in DAILY if day <= last}
    arrived = {
        name: _arrived(each for each in everything if start <= each.day <= end)
        for name, (start, end) in spans.items()
    }
    return Truth(
        seed=seed,
        scale=scale,
        reporting_timezone=ZONE_NAME,
        history={"start": FIRST.isoformat(), "end": DAILY_START.isoformat(), "dates": "local, half-open"},
        days=[day.isoformat() for day in DAILY if day <= last],
        records={stream: sum(each.records[stream] for each in arrived.values()) for stream in DEFECTS},
        quarantine={
            stream: _added(each.quarantine[stream] for each in arrived.values()) for stream in DEFECTS
        },
        deliveries=arrived,
        live=final.live,
        quarantine_open=final.quarantine_open,
        customers=final.customers,
        kpis=final.kpis,
        after_history=state_of([each for each in everything if each.day <= eve], min(eve, last)),
    )


def _arrived(deliveries: Iterable[Delivery]) -> Arrived:
    records = Counter[str]()
    quarantine: dict[str, Counter[str]] = {stream: Counter() for stream in DEFECTS}
    for each in _seen(deliveries):
        records[each.record.stream] += 1
        if each.defect:
            quarantine[each.record.stream].update(each.defect.rules)
    return Arrived(
        {stream: records[stream] for stream in DEFECTS},
        {stream: dict(sorted(rules.items())) for stream, rules in quarantine.items()},
    )


def _seen(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """What is there to read at the end: all of a file's lines, a service's newest version of each record."""
    seen: dict[tuple[str, str, int | None], Delivery] = {}
    for number, each in enumerate(deliveries):
        stream = each.record.stream
        seen[stream, each.record.key, None if stream in SERVED else number] = each
    return list(seen.values())


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sums by rule."""
    return dict(sorted(sum((Counter(each) for each in counts), Counter[str]()).items()))


def state_of(deliveries: list[Delivery], until: date) -> State:
    """What a warehouse holds after these deliveries, which end with a day."""
    latest: dict[tuple[str, str], Record] = {}
    bad: set[tuple[str, str]] = set()
    for each in deliveries:
        record = each.record
        name = (record.stream, record.key)
        if each.defect:
            bad.add(name)
        elif name not in latest or record.changed_at > latest[name].changed_at:
            latest[name] = record
    live = [record for record in latest.values() if not record.is_deleted]
    persons = Persons(live)
    counts = Counter(record.stream for record in live)
    unfixed = Counter(stream for stream, key in bad if (stream, key) not in latest)
    return State(
        until=until.isoformat(),
        live={stream: counts[stream] for stream in DEFECTS},
        quarantine_open={stream: unfixed[stream] for stream in DEFECTS},
        customers=len(persons),
        kpis=kpi_values(live, persons, _former(deliveries, until)),
    )


def _former(deliveries: list[Delivery], until: date) -> list[Record]:
    """The versions that were there to read at the end of the history or of a later day, and that others followed."""
    ends = [DAILY_START - timedelta(days=1), *DAILY]
    found: dict[tuple[str, str, datetime], Record] = {}
    for end in ends:
        for each in _seen(each for each in deliveries if each.day <= min(end, until)):
            if not each.defect:
                found[each.record.stream, each.record.key, each.record.changed_at] = each.record
    return list(found.values())
