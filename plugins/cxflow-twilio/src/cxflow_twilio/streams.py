"""The streams: what is asked for, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

from cxflow import Policies, SourceError, http

TASKROUTER = "https://taskrouter.twilio.com"
_EVENTS = f"{TASKROUTER}/v1/Workspaces/{{workspace}}/Events"
_MOST = 1000
_ANONYMOUS = "'+266696687', '+7378742833', '+2562533', '+8656696'"
"""Numbers that Twilio writes for withheld ones: they spell anonymous, restricted, blocked and unavailable."""


class WholePage(http.Paging):
    """Events come in one page: their paging is not supported. A full one is an error, as some may be missing."""

    def after(self, page: http.Page) -> http.Request | None:
        """There is none. Raises SourceError if there may be more."""
        if len(page.answer.value("events") or ()) >= _MOST:
            raise SourceError(
                f"one request has {_MOST:,} events or more, and TaskRouter does not page them",
                value="slices",
                fix="ask for shorter slices: [connections.….streams.events] slices = 300 (seconds)",
            )
        return None


_OUTSIDE = 'CASE WHEN direction = \'inbound\' THEN "from" ELSE "to" END'

CALLS = http.RestStream(
    name="calls",
    title="Calls, with the legs that belong to them",
    primary_key=("sid",),
    version="date_updated",
    # A call's status, end and price come after its start.
    look_back=timedelta(days=2),
    # The filter is by the day of the start.
    overlap=timedelta(days=1),
    changed="date_updated",
    time_formats=("%a, %d %b %Y %H:%M:%S %z",),
    path="/2010-04-01/Accounts/{account_sid}/Calls.json",
    params={"StartTime>": "{start:%Y-%m-%d}", "PageSize": str(_MOST)},
    records="calls",
    pages=http.Link(link="next_page_uri"),
    pii=("from", "to", "from_formatted", "to_formatted", "caller_name", "forwarded_from"),
    may_lack=("from_formatted", "to_formatted", "caller_name", "forwarded_from", "answered_by", "group_sid"),
    identifiers={
        "phone": f"CASE WHEN parent_call_sid IS NULL AND regexp_full_match({_OUTSIDE}, '[+][0-9]+') "
        f"AND {_OUTSIDE} NOT IN ({_ANONYMOUS}) THEN {_OUTSIDE} END"
    },
    to={
        "touchpoint": {
            # A leg (to an agent, to a conference) is part of its parent's call.
            "where": "parent_call_sid IS NULL AND (direction = 'inbound' OR status = 'completed')",
            "activity": "CASE WHEN direction = 'inbound' THEN 'called_support' ELSE 'received_call' END",
            "channel": "'phone'",
            "occurred_at": "coalesce(start_time, date_created)",
            "ended_at": "end_time",
            "conversation_id": "sid",
        }
    },
)

EVENTS = http.RestStream(
    name="events",
    title="TaskRouter's events: kept in the landing zone, where Twilio forgets them after 30 days",
    primary_key=("sid",),
    version="event_date",
    changed="event_date_ms",
    # Events are found a moment late.
    lag=timedelta(seconds=60),
    overlap=timedelta(minutes=5),
    kept=timedelta(days=30),
    slices=timedelta(minutes=15),
    path=_EVENTS,
    # Without a start, only the last 15 minutes would come.
    params={"StartDate": "{start:iso}", "EndDate": "{end:iso}", "PageSize": str(_MOST)},
    records="events",
    pages=WholePage(),
    pii=("event_data", "source_ip_address"),
    may_lack=("event_data", "source_ip_address"),
    # What an event says differs by its type, and no row depends on it.
    policies=Policies(retyped_column="accept"),
    # The tasks are made of them; by themselves they are no rows.
    to={"interaction": {"where": "false", "interaction_id": "sid", "offered_at": "event_date"}},
)

TASKS = http.RestStream(
    name="tasks",
    title="Tasks that have an event in the window, each summed up from all its events",
    primary_key=("sid",),
    version="changed_ms",
    lag=timedelta(seconds=60),
    time_formats=("epoch_ms",),
    policies=Policies(retyped_column="accept"),
    parent=http.Parent(stream="events", key="event_data.task_sid", optional=True),
    path=_EVENTS,
    params={"TaskSid": "{parent}", "Minutes": str(30 * 24 * 60), "PageSize": str(_MOST)},
    pages=WholePage(),
    pii=("events", "attributes", "worker_name", "customer_phone", "customer_email"),
    identifiers={
        "phone": "CASE WHEN regexp_full_match(customer_phone, '[+][0-9]+') "
        f"AND customer_phone NOT IN ({_ANONYMOUS}) THEN customer_phone END",
        "email": "customer_email",
    },
    to={
        "touchpoint": {
            "where": "created_ms IS NOT NULL AND direction = 'inbound'",
            # A call is a contact by itself, in the stream of calls; here it is in a queue.
            "activity": "CASE WHEN channel = 'voice' THEN 'entered_queue' ELSE 'contacted_support' END",
            "channel": "CASE WHEN channel = 'voice' THEN 'phone' ELSE coalesce(channel, 'chat') END",
            "occurred_at": "created_ms",
            "ended_at": "ended_ms",
            "conversation_id": "coalesce(call_sid, sid)",
            "agent_id": "worker_sid",
        },
        "interaction": {
            "where": "created_ms IS NOT NULL AND direction = 'inbound'",
            "interaction_id": "sid",
            "queue_id": "queue",
            "agent_id": "worker_sid",
            "offered_at": "created_ms",
            "answered_at": "accepted_ms",
            "abandoned_at": "CASE WHEN outcome = 'abandoned' THEN ended_ms END",
            "ended_at": "ended_ms",
            # What agents' tools note of holds is within the talk.
            "hold_seconds": "hold_seconds",
            "talk_seconds": "talk_ms::DOUBLE / 1000 - coalesce(hold_seconds::DOUBLE, 0)",
            "acw_seconds": "wrapup_ms::DOUBLE / 1000",
            "transfer_count": "transfers",
            "outcome": "outcome",
        },
    },
)

STREAMS = (CALLS, EVENTS, TASKS)
