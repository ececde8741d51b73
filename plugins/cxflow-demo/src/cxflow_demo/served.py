"""The streams that a service answers for; the others are exports in files. Called by ``disorder``, ``files`` and
``truth``.

A service shows the newest version of a record alone. It has no malformed lines and delivers nothing twice, and what is
late was entered late: the time of its change says so.
"""

from collections.abc import Mapping
from datetime import date, timedelta

from cxflow_demo.clock import MOVED

SERVED: Mapping[str, timedelta] = {
    "hubspot.contacts": timedelta(minutes=1),
    "voice.calls": timedelta(),
    "voice.tasks": timedelta(minutes=1),
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

ENDED: Mapping[str, date] = {"callcentre.calls": MOVED + timedelta(days=6)}
"""Exports that end within the history, and the day of their last file: the old telephone system is switched off when
its last records are out."""
