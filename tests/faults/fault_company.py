"""The source of the tests of processes side by side: six connections that see the same customers on the same days.

Whatever two loads could fight over is here: days and identifiers that all of them touch, orders and refunds of each
other, customers who turn out to be one through a record of another connection, a segment that moves their rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cxflow.testing.project import as_toml

FIRST = datetime(2026, 3, 2, 8, tzinfo=UTC)
PERSONS = 12
DAYS = 6
RECORDS = 24
"""Of each stream, on the first delivery."""

Record = dict[str, Any]

_TOUCHPOINT = {"channel": "'web'", "occurred_at": "seen"}
STREAMS: dict[str, dict[str, dict[str, dict[str, str]]]] = {
    "shop": {
        "orders": {
            "touchpoint": {**_TOUCHPOINT, "activity": "'placed_order'", "order_id": "id"},
            "order_header": {"order_id": "id", "created_at": "seen", "price_total": "amount"},
        },
        "reviews": {
            # Some are visits to the help pages, which a contact of another connection may follow.
            "touchpoint": {
                **_TOUCHPOINT,
                "activity": "CASE WHEN score > '3' THEN 'wrote_review' ELSE 'read_help_page' END",
            },
            "review": {
                "review_id": "id",
                "rating_value": "score",
                "worst_rating": "1",
                "best_rating": "5",
                "date_published": "seen",
            },
        },
    },
    "returns": {
        "refunds": {
            "refund": {
                "refund_id": "id",
                "order_id": "'shop:' || id",
                "refunded_at": "seen",
                "refund_total": "amount",
            }
        }
    },
    "desk": {
        "cases": {
            "touchpoint": {**_TOUCHPOINT, "activity": "'contacted_support'", "case_id": "id"},
            "support_case": {"case_id": "id", "opened_at": "seen", "first_reply_at": "later"},
        }
    },
    "calls": {
        "queue": {
            "touchpoint": {**_TOUCHPOINT, "activity": "'called_support'"},
            "interaction": {
                "interaction_id": "id",
                "offered_at": "seen",
                "answered_at": "later",
                "wait_seconds": "amount",
            },
        }
    },
    "survey": {
        "answers": {
            "touchpoint": {**_TOUCHPOINT, "activity": "'answered_survey'"},
            "survey_response": {
                "response_id": "id",
                "question_id": "'recommend'",
                "metric_type": "'nps'",
                "rating_value": "score",
                "responded_at": "seen",
            },
        }
    },
    "crm": {
        "people": {
            "customer_profile": {"profile_id": "id", "email": "mail", "segment": "segment"},
        }
    },
}
"""Connection, stream, and what its records become."""


def configuration(warehouse: str | None) -> str:
    """A project over the source; a warehouse on a server by its URL."""
    tree: dict[str, Any] = {
        "kpis": {"min_n": 1},
        "connections": {
            connection: {
                "connector": "files",
                "streams": {
                    stream: {
                        "path": f"{connection}-{stream}-{{date}}.jsonl",
                        "primary_key": ["id"],
                        "version": "changed",
                        "deleted": "gone",
                        "identifiers": {"email": "mail", "account": "account"},
                        "to": to,
                    }
                    for stream, to in streams.items()
                },
            }
            for connection, streams in STREAMS.items()
        },
    }
    # However slow the machine: who waits for whom is tested, not for how long.
    tree["warehouse"] = {"busy_timeout_seconds": 900, "lock_timeout_seconds": 900}
    if warehouse:
        tree["warehouse"]["url"] = warehouse
    return as_toml(tree)


def deliver(folder: Path, delivery: int) -> None:
    """Write the files of the first delivery (0) or the second (1)."""
    for place, (connection, streams) in enumerate(STREAMS.items()):
        for stream in streams:
            lines = (json.dumps(record) + "\n" for record in _records(place, delivery))
            (folder / f"{connection}-{stream}-2026-03-2{delivery}.jsonl").write_text("".join(lines))


def _records(place: int, delivery: int) -> Iterator[Record]:
    """The second delivery changes a third of the first's records, deletes some, and adds some; one of each is wrong."""
    if delivery == 0:
        for number in range(RECORDS):
            yield _record(place, number, 0)
        yield {**_record(place, RECORDS, 0), "seen": "some day"}
        return
    for number in range(0, RECORDS, 3):
        yield {**_record(place, number, 1), "gone": number % 9 == 0}
    for number in range(RECORDS + 1, RECORDS + 6):
        yield _record(place, number, 1)
    yield {**_record(place, RECORDS + 6, 1), "seen": "another day"}


def _record(place: int, number: int, delivery: int) -> Record:
    # The streams meet days and persons in different orders: that is what makes two loads wait for each other.
    turn = (number * 5 + place * 7 + delivery * 3) % (DAYS * PERSONS)
    at = FIRST + timedelta(days=turn % DAYS, hours=place, minutes=number)
    person = turn % PERSONS
    return {
        "id": f"{number}",
        "changed": (FIRST + timedelta(days=30 + delivery, minutes=number)).isoformat(),
        "seen": at.isoformat(),
        "later": (at + timedelta(minutes=number % 7 + 1)).isoformat(),
        "score": number % 5 + 1,
        "amount": 10 + number % 4,
        "mail": f"p{person}@example.org",
        # Every fourth record links two persons, once the second delivery is there.
        "account": f"{person // (1 + delivery)}" if number % 4 == 0 else None,
        "segment": f"s{(person + delivery) % 3}",
        "gone": False,
    }
