"""The demo's exports and what its services hold at the end, read by a reader that shares no code with the simulator.

Records of services are brought into the layout of an export, so that one set of checks serves both.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cxflow_demo.truth import Truth

MADRID = ZoneInfo("Europe/Madrid")
NOW = datetime(2026, 4, 1, tzinfo=MADRID)
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)

# Key, time of the last change, start, ends, other times and numbers of each stream, by dotted name.
STREAMS: dict[str, tuple[tuple[str, ...], str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "hubspot.contacts": (("Contact Id",), "Updated At", "Created At", (), (), ()),
    "crm.leads": (("Lead Id",), "Updated At", "Created At", ("Won At", "Lost At"), (), ("Amount",)),
    "callcentre.calls": (
        ("call_id",),
        "",
        "started_at",
        ("answered_at", "ended_at"),
        (),
        ("wait_seconds", "talk_seconds", "hold_seconds", "acw_seconds", "transfers"),
    ),
    "voice.calls": (("sid",), "updated_at", "started_at", ("ended_at",), (), ()),
    "voice.tasks": (
        ("sid",),
        "changed_at",
        "started_at",
        ("answered_at", "ended_at"),
        (),
        ("wait_seconds", "work_seconds", "hold_seconds"),
    ),
    "desk.tickets": (
        ("id",),
        "updated_at",
        "created_at",
        ("metric.first_reply_at", "metric.solved_at"),
        (),
        ("metric.reopens",),
    ),
    "desk.users": (("user_id",), "created_at", "created_at", (), (), ()),
    "shop.orders": (
        ("id",),
        "updated_at",
        "created_at",
        ("delivered_at", "cancelled_at"),
        ("promised_on",),
        ("totals.price",),
    ),
    "shop.customers": (("customer.id",), "updated_at", "created_at", (), (), ()),
    "reviews.reviews": (("review_id",), "", "created_at", (), (), ("stars",)),
    "trustpilot.service_reviews": (("review_id",), "created_at", "created_at", (), (), ("stars",)),
    "surveys.responses": (("response_id",), "responded_at", "invited_at", ("responded_at",), (), ()),
}


SERVED = (
    "hubspot.contacts",
    "voice.calls",
    "voice.tasks",
    "desk.tickets",
    "desk.users",
    "shop.orders",
    "shop.customers",
    "surveys.responses",
    "trustpilot.service_reviews",
)
FILES = tuple(stream for stream in STREAMS if stream not in SERVED)


@dataclass(frozen=True)
class Line:
    """One record of one file, as an attentive reader sees it."""

    stream: str
    day: str
    raw: str
    rules: tuple[str, ...]
    """The rules it breaks."""
    row: dict[str, Any]
    key: tuple[Any, ...]
    changed: Any
    """Orders the versions of a key; the same for all where the source keeps no update time."""


@dataclass(frozen=True)
class Demo:
    """A generated folder with its truth, and its files read back."""

    folder: Path
    truth: Truth
    lines: tuple[Line, ...]

    def final(self, stream: str) -> list[dict[str, Any]]:
        """The latest good version of each record that was not deleted."""
        latest: dict[tuple[Any, ...], Line] = {}
        for line in self.lines:
            if line.stream == stream and not line.rules:
                known = latest.get(line.key)
                if known is None or line.changed > known.changed:
                    latest[line.key] = line
        return [line.row for line in latest.values() if line.row.get("status") != "deleted"]


def read(exports: Path) -> Iterator[Line]:
    """Every record of every file, in the order of delivery."""
    for stream in FILES:
        system, _, name = stream.partition(".")
        for path in sorted((exports / system).glob(f"{name}-2026-*")):
            day = path.stem.removeprefix(f"{name}-")
            records = csv_records if path.suffix == ".csv" else json_records
            for raw, row in records(path):
                yield line_of(stream, day, raw, row)


def answered(services: Mapping[str, Any]) -> Iterator[Line]:
    """Every record that the services hold, as a line of the day of its last change."""
    for stream, rows in {
        "shop.orders": map(shopify_order, services["shopify"].orders),
        "shop.customers": map(shopify_customer, services["shopify"].customers),
        "hubspot.contacts": map(hubspot_contact, services["hubspot"].objects["contacts"]),
        "voice.calls": map(twilio_call, services["twilio"].calls),
        "voice.tasks": twilio_tasks(services["twilio"].events),
        "desk.tickets": map(zendesk_ticket, services["zendesk"].tickets),
        "desk.users": map(zendesk_user, services["zendesk"].users),
        "trustpilot.service_reviews": map(trustpilot_review, services["trustpilot"].service_reviews),
        "surveys.responses": map(
            typeform_response, (each for given in services["typeform"].responses.values() for each in given)
        ),
    }.items():
        for row in rows:
            changed = moment(row[STREAMS[stream][1]])
            assert changed
            yield line_of(stream, changed.astimezone(MADRID).date().isoformat(), repr(row), row)


def shopify_order(order: dict[str, Any]) -> dict[str, Any]:
    delivered = [parcel["deliveredAt"] for parcel in order["fulfillments"]]
    return {
        "id": order["name"],
        "customer": {
            "id": order["customer"]["id"].rpartition("/")[2] if order["customer"] else None,
            "email": order["email"],
            "phone": order["phone"],
        },
        "totals": {"price": order["totalPriceSet"]["shopMoney"]["amount"]},
        "created_at": order["processedAt"],
        "updated_at": order["updatedAt"],
        "promised_on": order["metafield"]["value"],
        "delivered_at": delivered[0] if delivered else None,
        "cancelled_at": order["cancelledAt"],
        "returns": [
            refund
            for refund in order["refunds"]
            if any(line["restockType"] == "RETURN" for line in refund["refundLineItems"])
        ],
    }


def shopify_customer(customer: dict[str, Any]) -> dict[str, Any]:
    return {
        "customer": {
            "id": customer["legacyResourceId"],
            "email": (customer["defaultEmailAddress"] or {}).get("emailAddress"),
            "phone": (customer["defaultPhoneNumber"] or {}).get("phoneNumber"),
        },
        "created_at": customer["createdAt"],
        "updated_at": customer["updatedAt"],
    }


def zendesk_ticket(ticket: dict[str, Any]) -> dict[str, Any]:
    own = {field["id"]: field["value"] for field in ticket["custom_fields"]}
    created, metrics = moment(ticket["created_at"]), ticket["metric_set"]
    minutes = metrics["reply_time_in_minutes"]["calendar"]
    assert created
    return {
        "id": ticket["id"],
        "user_id": ticket["requester_id"],
        "via": ticket["via"],
        "status": ticket["status"],
        "reason": own[360_001],
        "created_at": ticket["created_at"],
        "updated_at": ticket["updated_at"],
        "metric": {
            "first_reply_at": (created + timedelta(minutes=minutes)).isoformat()
            if minutes is not None
            else None,
            "solved_at": metrics["solved_at"],
            "reopens": metrics["reopens"],
        },
    }


def zendesk_user(user: dict[str, Any]) -> dict[str, Any]:
    return {"user_id": user["id"], "email": user["email"], "created_at": user["created_at"]}


def twilio_call(call: dict[str, Any]) -> dict[str, Any]:
    started, ended, updated = (
        parsedate_to_datetime(call[name]).isoformat() for name in ("start_time", "end_time", "date_updated")
    )
    return {
        "sid": call["sid"],
        "of": call["parent_call_sid"],
        "reason": "",
        "caller": None if call["from"] == "+266696687" or call["parent_call_sid"] else call["from"],
        "started_at": started,
        "ended_at": ended,
        "updated_at": updated,
        "price": call["price"],
    }


def twilio_tasks(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each task by its events: what happened when, and what was noted last."""
    for sid in sorted({event["resource_sid"] for event in events}):
        mine = [event for event in events if event["resource_sid"] == sid]
        times: dict[str, list[int]] = {}
        for event in mine:
            times.setdefault(event["event_type"], []).append(event["event_date_ms"])
        last = max(mine, key=lambda event: (event["event_date_ms"], event["sid"]))
        attributes = json.loads(last["event_data"]["task_attributes"])
        created, answered = times["task.created"][0], min(times.get("reservation.accepted", [0]))
        ended = min(times.get("task.completed", times.get("task.canceled", [0])))
        hung_up = max(times.get("task.wrapup", [ended]))
        hold = attributes["conversations"]["hold_time"] or 0
        yield {
            "sid": sid,
            "call": attributes["call_sid"],
            "caller": None if attributes["from"] == "+266696687" else attributes["from"],
            "outcome": "answered" if answered else "abandoned",
            "started_at": created,
            "answered_at": answered or None,
            "ended_at": ended or None,
            "changed_at": last["event_date_ms"],
            "wait_seconds": ((answered or ended) - created) / 1000,
            # Talk, hold and after-call work; only talk and hold until the wrap-up is ended.
            "work_seconds": ((ended or hung_up) - answered) / 1000 if answered else 0,
            "talk_seconds": (hung_up - answered) / 1000 - hold if isinstance(hold, int) and answered else 0,
            "hold_seconds": hold,
        }


def trustpilot_review(review: dict[str, Any]) -> dict[str, Any]:
    return {
        "review_id": review["id"],
        "consumer_id": review["consumer"]["id"],
        "author_email": review["referralEmail"],
        "stars": review["stars"],
        "scale": 5,
        "published": review["status"] == "active",
        "created_at": review["createdAt"],
    }


def hubspot_contact(contact: dict[str, Any]) -> dict[str, Any]:
    return {
        "Contact Id": contact["id"],
        "E-Mail": contact["properties"]["email"],
        "Phone": contact["properties"]["phone"],
        "Segment": contact["properties"]["customer_segment"],
        "Created At": contact["createdAt"],
        "Updated At": contact["updatedAt"],
    }


def typeform_response(response: dict[str, Any]) -> dict[str, Any]:
    return {
        "response_id": response["token"],
        "email": response["hidden"]["email"],
        "invited_at": response["landed_at"],
        "responded_at": response["submitted_at"],
        "answers": [
            {"metric": answer["field"]["ref"], "score": answer["number"]}
            for answer in response["answers"]
            if answer["type"] == "number"
        ],
    }


def csv_records(path: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Rows of a CSV file; None for one that has another number of columns than the header."""
    text = path.read_bytes().decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=";" if "crm" in path.parts else ",")
    for row in rows:
        yield repr(row), dict(zip(header, row, strict=True)) if len(row) == len(header) else None


def json_records(path: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Objects of a JSON lines file; None for a line that is none."""
    for raw in path.read_bytes().decode().split("\n")[:-1]:
        try:
            yield raw, json.loads(raw)
        except ValueError:
            yield raw, None


def line_of(stream: str, day: str, raw: str, row: dict[str, Any] | None) -> Line:
    if row is None:
        return Line(stream, day, raw, ("malformed",), {}, (), None)
    key, changed, *_ = STREAMS[stream]
    version = moment(row[changed]) if changed else None
    return Line(
        stream,
        day,
        raw,
        tuple(dict.fromkeys(broken(stream, row))),
        row,
        tuple(dotted(row, k) for k in key),
        version or LONG_AGO,
    )


def broken(stream: str, row: dict[str, Any]) -> Iterator[str]:
    """The rules that a well-formed row breaks."""
    _, _, start, ends, others, numbers = STREAMS[stream]
    times: dict[str, datetime | None] = {}
    for name in (start, *ends, *others):
        try:
            times[name] = moment(dotted(row, name))
        except ValueError:
            yield "cast"
    values: dict[str, float] = {}
    for name in numbers:
        try:
            values[name] = float(str(dotted(row, name)).replace(",", "."))
        except ValueError:
            yield "cast"
    known = {name: time for name, time in times.items() if time}
    yield from ("time_plausible" for time in known.values() if time < LONG_AGO)
    yield from ("time_not_in_future" for name, time in known.items() if time > NOW and name not in others)
    if start in known:
        yield from ("end_not_before_start" for end in ends if end in known and known[end] < known[start])
    if stream == "callcentre.calls" and "wait_seconds" in values and start in known:
        waited_until = known.get("answered_at") or known.get("ended_at")
        if waited_until and abs((waited_until - known[start]).total_seconds() - values["wait_seconds"]) > 2:
            yield "wait_fits_its_times"
    if stream == "voice.tasks":
        if "hold_seconds" not in values:
            yield "expression"  # the talk is what a contact lasted without the hold
        elif min(values["hold_seconds"], row["talk_seconds"]) < 0:
            yield "duration_not_negative"
    if "stars" in values and not (0 if row["scale"] == 10 else 1) <= values["stars"] <= row["scale"]:
        yield "rating_within_scale"
    for answer in row.get("answers", ()):
        worst, best = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}[answer["metric"]]
        if not worst <= answer["score"] <= best:
            yield "rating_within_scale"


def dotted(row: dict[str, Any], name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value[part]
    return value


def moment(value: str | int | None) -> datetime | None:
    """A moment in any of the exports' spellings; None for none, ValueError for nonsense."""
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC)
    parsed = (
        datetime.strptime(value, "%d/%m/%Y %H:%M").replace(tzinfo=MADRID)
        if "/" in value
        else datetime.fromisoformat(value)
    )
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=MADRID)
