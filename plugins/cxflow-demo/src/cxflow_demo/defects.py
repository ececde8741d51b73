"""The wrong values that real sources contain, one per bad record, and the rule that each breaks.

``disorder`` picks the records; ``files`` writes the bad rows, and services answer with them. No defect touches a key,
an identifier or the time of the last change, so that a bad record has exactly one fault.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cxflow_demo.record import Row

FILLED = object()
"""In ``Defect.where``: the field must have a value."""


@dataclass(frozen=True)
class Defect:
    """A wrong value for one field of a row, or a line that is not a record."""

    rule: str
    """The rule it breaks: cast, malformed, rating_within_scale, time_not_in_future, time_plausible,
    end_not_before_start, duration_not_negative or currency_known."""
    path: str = ""
    """Dotted name of the field; empty for a malformed line."""
    value: object = None
    where: Mapping[str, object] = field(default_factory=dict)
    """Dotted name to the value that the row must have for the defect to break these rules and no other."""
    also: str | None = None
    """Another rule that it breaks: of a value that is computed with the wrong one, or compared with it."""

    @property
    def rules(self) -> tuple[str, ...]:
        """All that it breaks."""
        return (self.rule, self.also) if self.also else (self.rule,)

    @property
    def malformed(self) -> bool:
        """Whether the line itself is broken: truncated, or with too many columns."""
        return not self.path

    def fits(self, row: Row) -> bool:
        """Whether the row can carry the defect."""
        return all(
            _get(row, path.split(".")) not in (None, "")
            if wanted is FILLED
            else _get(row, path.split(".")) == wanted
            for path, wanted in self.where.items()
        )

    def spoil(self, row: Row) -> Row:
        """The row with the wrong value in place; a malformed line keeps its values."""
        if not self.malformed:
            *parents, name = self.path.split(".")
            _get(row, parents)[name] = self.value
        return row


def _get(row: Row, path: Sequence[str]) -> Any:
    """The value at a path; a number is a place in a list."""
    value: Any = row
    for name in path:
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


# An end before the simulated period is before every start in it.
EVE = "2025-12-24T09:00:00"
MALFORMED = Defect("malformed")
_WAIT = "wait_fits_its_times"
_HOLD = "attributes.conversations.hold_time"
_DELIVERED = {"displayFulfillmentStatus": "FULFILLED", "fulfillments.0.displayStatus": "DELIVERED"}

DEFECTS: Mapping[str, tuple[Defect, ...]] = {
    "hubspot.contacts": (),
    "crm.leads": (
        Defect("cast", "Amount", "twelve"),
        Defect("cast", "Created At", "31/02/2026 09:40"),
        Defect("cast", "Won At", "not yet", {"Stage": "proposal"}),
        Defect("time_plausible", "Created At", "01/01/1970 00:00"),
        Defect("time_not_in_future", "Won At", "01/01/2099 12:00", {"Stage": "won"}),
        Defect("end_not_before_start", "Won At", "24/12/2025 09:00", {"Stage": "won"}),
        MALFORMED,
    ),
    "callcentre.calls": (
        Defect("cast", "talk_seconds", "twelve"),
        Defect("cast", "started_at", "2026-02-31 11:20:00"),
        Defect("time_plausible", "started_at", "1970-01-01 00:00:00", also=_WAIT),
        Defect("time_not_in_future", "ended_at", "2099-01-01 12:00:00", {"outcome": "answered"}),
        Defect("end_not_before_start", "answered_at", "2025-12-24 09:00:00", {"outcome": "answered"}, _WAIT),
        Defect("end_not_before_start", "ended_at", "2025-12-24 09:00:00", {"outcome": "abandoned"}, _WAIT),
        MALFORMED,
    ),
    # Twilio writes itself what it says of a call.
    "voice.calls": (),
    # TaskRouter takes any JSON as attributes of a task: what an agent's desktop notes of holds may be a word, a
    # difference of the wrong sign, or milliseconds.
    "voice.tasks": (
        Defect("cast", _HOLD, "twelve", {_HOLD: FILLED}, also="expression"),
        Defect("duration_not_negative", _HOLD, -40, {_HOLD: FILLED}),
        Defect("duration_not_negative", _HOLD, 36_000_000, {_HOLD: FILLED}),
    ),
    # Zendesk checks what it is told, but takes the times of imported tickets as they are.
    "desk.tickets": (
        Defect("time_plausible", "created_at", "1970-01-01T00:00:00Z"),
        Defect("end_not_before_start", "metric_set.solved_at", EVE + "Z", {"status": "solved"}),
    ),
    "desk.users": (),
    # Shopify checks amounts and currencies; not what an import, a carrier or another app writes.
    "shop.orders": (
        Defect("cast", "metafield.value", "2026-02-31"),
        Defect("time_plausible", "processedAt", "1970-01-01T00:00:00Z"),
        Defect("time_not_in_future", "fulfillments.0.deliveredAt", "2099-01-01T12:00:00Z", _DELIVERED),
        Defect("end_not_before_start", "fulfillments.0.deliveredAt", EVE + "Z", _DELIVERED),
    ),
    "shop.customers": (),
    "reviews.reviews": (
        Defect("rating_within_scale", "stars", 12),
        Defect("rating_within_scale", "stars", -1),
        Defect("cast", "stars", "twelve"),
        Defect("cast", "created_at", "not yet"),
        Defect("time_plausible", "created_at", 0),
        Defect("time_not_in_future", "created_at", 4_070_908_800_000),
        MALFORMED,
    ),
    "trustpilot.service_reviews": (),
    "surveys.responses": (),
}
"""Stream to its defects."""
