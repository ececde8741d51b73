"""Decides in which order, how often and with which defects the records arrive. Called by ``simulation``.

Files have every mishap; a service has bad values, late entries and corrections. A record has at most one mishap. A bad
version is either all that is ever delivered of its record, or a good one with the same key follows on a later day.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from cxflow_demo.clock import DAILY, DAILY_START, FIRST, LAST, at, local, local_day
from cxflow_demo.defects import DEFECTS, Defect
from cxflow_demo.record import Record, Row
from cxflow_demo.served import ENDED, LATE, SERVED
from cxflow_demo.shop import Order

HISTORY_END = DAILY_START - timedelta(days=1)
CORRECTED_ORDERS = 8
_EVENING = 22


@dataclass(frozen=True)
class Delivery:
    """One version of a record in one day's file, or one that a service shows from that day on."""

    day: date
    record: Record
    defect: Defect | None = None
    repeated: bool = False
    """Whether it is neither new nor changed; it is then at the end of the file."""

    def row(self) -> Row:
        """What is delivered."""
        row = self.record.row()
        return self.defect.spoil(row) if self.defect else row


def deliveries(rng: Random, stream: str, versions: Iterable[Record]) -> list[Delivery]:
    """Every delivery of a stream within the period, including mishaps, in the order of arrival."""
    arrivals = _Arrivals(rng, versions, SERVED.get(stream))
    if stream in SERVED and stream not in LATE:
        # Nothing is entered later, so what is bad stays bad.
        for defect in DEFECTS[stream]:
            arrivals.spoil(defect, (FIRST, HISTORY_END), None)
            arrivals.spoil(defect, (DAILY_START, LAST), None)
        return arrivals.sorted()
    for number, defect in enumerate(DEFECTS[stream]):
        # An export that ends has fewer records: as many bad ones would close the gate.
        for _ in range(1 if stream in ENDED else 2):
            arrivals.spoil(defect, (FIRST, HISTORY_END), None)
        arrivals.spoil(defect, (FIRST, HISTORY_END - timedelta(days=12)), rng.randrange(1, 9))
        day = DAILY[number % len(DAILY)]
        arrivals.spoil(defect, (day, day), 1 if number % 2 and day < LAST else None)
    # Bad in the history and fixed in the last days: one kind of defect is enough to show it.
    for defect in DEFECTS[stream][:1]:
        arrivals.spoil(defect, (HISTORY_END - timedelta(days=3), HISTORY_END), 4)
    for period in ((FIRST, HISTORY_END), (DAILY_START, LAST)):
        if stream not in SERVED:
            for mishap in (arrivals.repeat, arrivals.repeat_later, arrivals.overtake):
                for _ in range(3):
                    mishap(period)
        for _ in range(8):
            arrivals.delay(period)
    arrivals.delay((HISTORY_END - timedelta(days=1), HISTORY_END), into_daily=True)
    for number in range(CORRECTED_ORDERS if stream == Order.stream else 0):
        arrivals.correct(DAILY[number % len(DAILY)], late=bool(number % 2))
    return arrivals.sorted()


class _Arrivals:
    """The deliveries of each record, and which records have had no mishap yet."""

    def __init__(self, rng: Random, versions: Iterable[Record], lag: timedelta | None) -> None:
        """`lag` is that of a service's connector; None: files."""
        self._rng = rng
        self._is_served = lag is not None
        self._of: dict[str, list[Delivery]] = defaultdict(list)
        for version in versions:
            day = local_day(version.changed_at + (lag or timedelta()))
            if day <= LAST:
                self._of[version.key].append(Delivery(day, version))
        # Mishaps hit keys in this shuffled order, and no deleted records.
        self._untouched = list(self._of)
        rng.shuffle(self._untouched)

    def spoil(self, defect: Defect, period: tuple[date, date], fixed_after: int | None) -> None:
        """Deliver one record's last version badly, and a good one `fixed_after` days later (None: never)."""

        def fits(arrived: list[Delivery]) -> bool:
            last = arrived[-1].record
            # In the evening, a look-back could read and refuse it once more on the next day.
            seen_once = not self._is_served or local(last.changed_at).hour < _EVENING
            return seen_once and not last.is_deleted and defect.fits(last.row())

        for key, last in self._pick(period, fits):
            self._of[key] = [replace(last, defect=defect)]
            if fixed_after:
                day = last.day + timedelta(days=fixed_after)
                fixed = last.record.touched(at(day, self._rng.randrange(10, 18)))
                self._of[key].append(Delivery(day, fixed))

    def repeat(self, period: tuple[date, date]) -> None:
        """Deliver a record twice in one file."""
        for key, last in self._pick(period, _is_live):
            self._of[key].append(replace(last, repeated=True))

    def repeat_later(self, period: tuple[date, date]) -> None:
        """Deliver a record again one or two days later."""
        for key, last in self._pick((period[0], period[1] - timedelta(days=2)), _is_live):
            self._of[key].append(
                replace(last, day=last.day + timedelta(days=self._rng.choice((1, 2))), repeated=True)
            )

    def overtake(self, period: tuple[date, date]) -> None:
        """Deliver a record's older version after its newer one."""

        def fits(arrived: list[Delivery]) -> bool:
            return len(arrived) > 1

        for key, last in self._pick((period[0], period[1] - timedelta(days=1)), fits):
            *older, second, _ = self._of[key]
            self._of[key] = [*older, last, replace(second, day=last.day + timedelta(days=1), repeated=True)]

    def delay(self, period: tuple[date, date], into_daily: bool = False) -> None:
        """Deliver a record's last version two to five days late: within the period, or in the days that are delivered
        one by one."""
        longest = LAST - period[1] if into_daily else period[1] - period[0]
        days = self._rng.randrange(2, min(5, longest.days) + 1)
        if not into_daily:
            period = (period[0], period[1] - timedelta(days=days))
        for key, last in self._pick(period, _is_live):
            day = last.day + timedelta(days=days)
            record = (
                last.record.touched(at(day, self._rng.randrange(10, 18))) if self._is_served else last.record
            )
            self._of[key][-1] = replace(last, day=day, record=record)

    def correct(self, day: date, late: bool) -> None:
        """Deliver an order of the history once more, with a corrected delivery or total."""

        def fits(arrived: list[Delivery]) -> bool:
            record = arrived[-1].record
            return isinstance(record, Order) and record.is_late == late and record.status == "delivered"

        for key, last in self._pick((FIRST, HISTORY_END), fits):
            assert isinstance(last.record, Order)
            self._of[key].append(Delivery(day, last.record.corrected(at(day, self._rng.randrange(10, 18)))))

    def sorted(self) -> list[Delivery]:
        """All deliveries by day; within a day by time of change, with repeated ones at the end."""
        return sorted(
            (each for arrived in self._of.values() for each in arrived),
            key=lambda each: (each.day, each.repeated, each.record.changed_at, each.record.key),
        )

    def _pick(
        self, period: tuple[date, date], fits: Callable[[list[Delivery]], bool]
    ) -> list[tuple[str, Delivery]]:
        """One untouched record (none if none is left) that last arrived in the period and fits."""
        for position, key in enumerate(self._untouched):
            arrived = self._of[key]
            if period[0] <= arrived[-1].day <= period[1] and fits(arrived):
                del self._untouched[position]
                return [(key, arrived[-1])]
        return []


def _is_live(arrived: list[Delivery]) -> bool:
    return not arrived[-1].record.is_deleted
