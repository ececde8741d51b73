"""The streams of Zendesk Support: tickets, users, comments, metric events."""

from __future__ import annotations

from cxflow import Policies, http

from cxflow_zendesk.exports import CURSOR, EXPORT, Export, Walk
from cxflow_zendesk.expressions import after, channel

TICKETS = http.RestStream(
    name="tickets",
    title="Tickets, archived and deleted ones included, with their metrics",
    primary_key=("id",),
    # The export goes by it: it also moves where updated_at does not.
    version="coalesce(to_timestamp(generated_timestamp::BIGINT), updated_at::TIMESTAMPTZ)",
    deleted="status = 'deleted'",
    path="/api/v2/incremental/tickets/cursor.json",
    params={
        "start_time": "{start:epoch}",
        "include": "metric_sets",
        "per_page": "1000",
        "support_type_scope": "{support_type_scope}",
    },
    records="tickets",
    pages=Export(token="after_cursor", size="per_page", time="generated_timestamp"),
    changed="generated_timestamp",
    **EXPORT,
    to={
        "touchpoint": {
            "activity": "'contacted_support'",
            "channel": channel("via.channel"),
            # In the agents' own interface, a ticket for somebody else is a message to them.
            "direction": "CASE WHEN via.source.rel = 'outbound' OR (via.channel = 'web' AND "
            "submitter_id <> requester_id) THEN 'outbound' ELSE 'inbound' END",
            "occurred_at": "created_at",
            "case_id": "id",
            "agent_id": "assignee_id",
        },
        "support_case": {
            "case_id": "id",
            "opened_at": "created_at",
            "first_reply_at": after("created_at", "metric_set.reply_time_in_minutes.calendar"),
            "first_solved_at": after("created_at", "metric_set.first_resolution_time_in_minutes.calendar"),
            "last_solved_at": "metric_set.solved_at",
            "reopens": "metric_set.reopens",
            "public_replies": "metric_set.replies",
            "priority": "priority",
            "status": "status",
            # What the agent wrote in a ticket for somebody else is not the customer's.
            "opening_text": "CASE WHEN via.source.rel IS DISTINCT FROM 'outbound' "
            "AND submitter_id IS NOT DISTINCT FROM requester_id "
            "THEN concat_ws(chr(10), subject, description) END",
        },
    },
    identifiers={"user": "requester_id"},
    pii=(
        "subject",
        "raw_subject",
        "description",
        "via.source.from",
        "via.source.to",
        "satisfaction_rating.comment",
    ),
    may_lack=(
        "via.channel",
        "via.source.rel",
        "subject",
        "description",
        "submitter_id",
        "requester_id",
        "assignee_id",
        "priority",
        "generated_timestamp",
        "updated_at",
        "metric_set.reply_time_in_minutes.calendar",
        "metric_set.first_resolution_time_in_minutes.calendar",
        "metric_set.solved_at",
        "metric_set.reopens",
        "metric_set.replies",
    ),
    # A custom field may hold a text in one batch and a list in the next.
    policies=Policies(retyped_column="accept"),
)

_CUSTOMER = "CASE WHEN role = 'end-user' THEN {} END"

USERS = http.RestStream(
    name="users",
    title="Customers (end users), deleted ones included; agents land and are no customers",
    primary_key=("id",),
    version="updated_at",
    deleted="coalesce(active, 'true') = 'false' OR coalesce(permanently_deleted, 'false') = 'true'",
    path="/api/v2/incremental/users/cursor.json",
    params={"start_time": "{start:epoch}", "per_page": "1000"},
    records="users",
    pages=Export(token="after_cursor", size="per_page", time="updated_at"),
    changed="updated_at",
    **EXPORT,
    to={
        "customer_profile": {
            "where": "role = 'end-user'",
            "profile_id": "id",
            # Erased users keep a placeholder as their name.
            "full_name": "CASE WHEN coalesce(permanently_deleted, 'false') <> 'true' THEN name END",
            "email": "email",
            "phone": "phone",
            "created_at": "created_at",
        }
    },
    identifiers={
        "user": _CUSTOMER.format("id"),
        "email": _CUSTOMER.format("email"),
        # A number that the account says several people share names none of them.
        "phone": _CUSTOMER.format(
            "CASE WHEN coalesce(shared_phone_number, 'false') <> 'true' THEN phone END"
        ),
        "external": _CUSTOMER.format("external_id"),
    },
    pii=("name", "email", "phone", "external_id", "photo", "notes", "details", "signature", "alias"),
    may_lack=(
        "role",
        "active",
        "permanently_deleted",
        "email",
        "phone",
        "shared_phone_number",
        "external_id",
    ),
    policies=Policies(retyped_column="accept"),
)

_BY_STAFF = "list_contains(_staff, item.author_id)"
_CUSTOMERS = (
    "list_distinct(list_transform(list_filter(child_events, c -> NOT list_contains(_staff, c.author_id)), "
    "c -> c.author_id))"
)

COMMENTS = http.RestStream(
    name="comments",
    title="Ticket events; each public comment is a touchpoint",
    primary_key=("id",),
    path="/api/v2/incremental/ticket_events.json",
    params={"start_time": "{start:epoch}", "include": "comment_events"},
    records="ticket_events",
    pages=Walk(time="timestamp"),
    changed="timestamp",
    says="count",
    **EXPORT,
    to={
        "touchpoint": {
            "for_each": "child_events",
            "where": "item.event_type = 'Comment' AND item.\"public\" = 'true'",
            "activity": f"CASE WHEN {_BY_STAFF} THEN 'received_message' ELSE 'wrote_message' END",
            "channel": channel("item.via.channel"),
            "direction": f"CASE WHEN {_BY_STAFF} THEN 'outbound' ELSE 'inbound' END",
            "journey_stage": "'after'",
            "control": "'owned'",
            "occurred_at": "coalesce(item.created_at, created_at)",
            "case_id": "ticket_id",
            "conversation_id": "ticket_id",
            "agent_id": f"CASE WHEN {_BY_STAFF} THEN item.author_id END",
        }
    },
    # All identifiers of a record are one person's: of several authors, none is named.
    identifiers={"user": f"CASE WHEN len({_CUSTOMERS}) = 1 THEN {_CUSTOMERS}[1] END"},
    pii=(
        "child_events.body",
        "child_events.html_body",
        "child_events.plain_body",
        "child_events.attachments",
        "child_events.via.source",
        "system",
    ),
    may_lack=(
        "_staff",
        "child_events",
        "child_events.event_type",
        "child_events.public",
        "child_events.author_id",
        "child_events.created_at",
        "child_events.via.channel",
    ),
    policies=Policies(retyped_column="accept"),
)

METRIC_EVENTS = http.RestStream(
    name="metric_events",
    title="Events of ticket metrics; each missed target of a service level is a touchpoint",
    primary_key=("id",),
    deleted="coalesce(deleted, 'false') = 'true'",
    path="/api/v2/incremental/ticket_metric_events.json",
    params={"start_time": "{start:epoch}"},
    records="ticket_metric_events",
    pages=Walk(time="time"),
    changed="time",
    says="count",
    **EXPORT,
    to={
        "touchpoint": {
            "where": "type = 'breach'",
            "activity": "'missed_target'",
            "channel": "'unknown'",
            "direction": "'outbound'",
            "journey_stage": "'after'",
            "control": "'owned'",
            "occurred_at": "time",
            "case_id": "ticket_id",
        },
        "signal": {
            "where": "type = 'breach'",
            "name": "'missed_metric'",
            "model_version": "'zendesk'",
            "string_value": "metric",
        },
    },
    may_lack=("deleted", "metric", "ticket_id"),
)

STAFF = http.RestStream(
    name="staff",
    title="Agents and administrators: asked for to tell whose comment is whose, and not landed",
    primary_key=("id",),
    path="/api/v2/users.json",
    params={"role": "agent", "page[size]": "100"},
    records="users",
    **CURSOR,
    sweeps=(
        http.Call(
            path="/api/v2/users.json",
            params={"role": "admin", "page[size]": "100"},
            records="users",
            **CURSOR,
        ),
    ),
    to={"customer_profile": {"profile_id": "id"}},  # a stream needs a mapping
)
