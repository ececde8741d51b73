"""The streams that a service answers for; the others are exports in files. Called by ``disorder`` and ``truth``.

A service shows the newest version of a record alone. It has no malformed lines and delivers nothing twice, and what is
late was entered late: the time of its change says so.
"""

from collections.abc import Mapping
from datetime import timedelta

SERVED: Mapping[str, timedelta] = {
    "hubspot.contacts": timedelta(minutes=1),
    "desk.tickets": timedelta(minutes=2),
    "desk.users": timedelta(minutes=2),
    "shop.orders": timedelta(minutes=2),
    "shop.customers": timedelta(minutes=2),
    "trustpilot.service_reviews": timedelta(),
    "surveys.responses": timedelta(minutes=30),
}
"""Stream to what its connector leaves out at the end of a window, or its service holds back: what changes so late on a
day is read on the next one."""

LATE = frozenset({"desk.tickets", "hubspot.contacts", "shop.orders", "trustpilot.service_reviews"})
"""Those of them in which something is entered, or shown, days late."""
