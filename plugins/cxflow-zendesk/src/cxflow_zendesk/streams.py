"""The streams: requests, mappings, identifiers, personal columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cxflow import Policies, http

from cxflow_zendesk.exports import Export, Walk

_EXPORT: dict[str, Any] = {
    # Changes of the last minute are withheld, and a start less than a minute ago is refused. The second
    # minute is for clocks that differ.
    "lag": timedelta(minutes=2),
    # Exports know whole seconds, and include the first.
    "overlap": timedelta(seconds=1),
    # They need a start. Zendesk is no older.
    "earliest": datetime(2007, 1, 1, tzinfo=UTC),
}
_CURSOR = {"pages": http.Token(token="meta.after_cursor", param="page[after]", more="meta.has_more")}
# A rating that was offered and not given keeps its creation time when it is given, and the services filter by
# creation.
_RATED_LATE = timedelta(days=60)


def _channel(via: str) -> str:
    """Expression: Zendesk's channel in cxflow's words; one that is not listed stays as it is."""
    return (
        f"CASE WHEN {via} IN ('voice', 'phone') THEN 'phone' "
        f"WHEN {via} IN ('chat', 'native_messaging', 'whatsapp', 'line', 'wechat', 'telegram') THEN 'chat' "
        f"WHEN {via} IN ('facebook', 'twitter', 'instagram_dm') THEN 'social' "
        f"WHEN {via} IN ('mobile', 'mobile_sdk') THEN 'app' ELSE coalesce({via}, 'unknown') END"
    )


def _after(start: str, amount: str, unit: str = "minutes") -> str:
    """Expression: a time so many units after another."""
    return f"({start})::TIMESTAMPTZ + to_{unit}(({amount})::BIGINT)"


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
    **_EXPORT,
    to={
        "touchpoint": {
            "activity": "'contacted_support'",
            "channel": _channel("via.channel"),
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
            "first_reply_at": _after("created_at", "metric_set.reply_time_in_minutes.calendar"),
            "first_solved_at": _after("created_at", "metric_set.first_resolution_time_in_minutes.calendar"),
            "last_solved_at": "metric_set.solved_at",
            "reopens": "metric_set.reopens",
            "public_replies": "metric_set.replies",
            "priority": "priority",
            "status": "status",
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
    **_EXPORT,
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
    says="count",
    **_EXPORT,
    to={
        "touchpoint": {
            "for_each": "child_events",
            "where": "item.event_type = 'Comment' AND item.\"public\" = 'true'",
            "activity": f"CASE WHEN {_BY_STAFF} THEN 'received_message' ELSE 'wrote_message' END",
            "channel": _channel("item.via.channel"),
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
    says="count",
    **_EXPORT,
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

_ANSWERED = {"activity": "'answered_survey'", "channel": "'unknown'"}
_GIVEN = "starts_with(score, 'good') OR starts_with(score, 'bad')"

SATISFACTION_RATINGS = http.RestStream(
    name="satisfaction_ratings",
    title="Satisfaction ratings of the first generation: good or bad",
    primary_key=("id",),
    version="updated_at",
    look_back=_RATED_LATE,
    path="/api/v2/satisfaction_ratings.json",
    params={"start_time": "{start:epoch}", "end_time": "{end:epoch}", "page[size]": "100"},
    records="satisfaction_ratings",
    **_CURSOR,
    to={
        "touchpoint": {
            "where": _GIVEN,
            **_ANSWERED,
            "occurred_at": "updated_at",
            "case_id": "ticket_id",
            "agent_id": "assignee_id",
        },
        "survey_response": {
            "where": _GIVEN,
            "response_id": "id",
            "question_id": "'satisfaction'",
            "metric_type": "'csat'",
            "rating_value": "CASE WHEN starts_with(score, 'good') THEN 1 ELSE 0 END",
            "worst_rating": "0",
            "best_rating": "1",
            "response_text": '"comment"',
            "invited_at": "created_at",
            "responded_at": "updated_at",
        },
    },
    identifiers={"user": "requester_id"},
    pii=("comment",),
    may_lack=("comment", "assignee_id", "requester_id", "ticket_id"),
)

_TICKET = "list_filter(subject_zrns, z -> starts_with(z, 'zen:ticket:'))[1][12:]"

SURVEY_RESPONSES = http.RestStream(
    name="survey_responses",
    title="Satisfaction surveys of the second generation, question by question",
    primary_key=("id",),
    version="list_max(list_transform(answers, a -> a.updated_at::TIMESTAMPTZ))",
    look_back=_RATED_LATE,
    path="/api/v2/guide/survey_responses",
    params={
        "filter[created_at_start]": "{start:epoch_ms}",
        "filter[created_at_end]": "{end:epoch_ms}",
        "page[size]": "100",
    },
    records="survey_responses",
    **_CURSOR,
    to={
        "touchpoint": {
            "where": "len(list_filter(answers, a -> a.\"type\" <> 'skipped')) > 0",
            **_ANSWERED,
            "occurred_at": "list_min(list_transform(answers, a -> a.created_at::TIMESTAMPTZ))",
            "case_id": _TICKET,
        },
        "survey_response": {
            "for_each": "answers",
            "where": "item.\"type\" <> 'skipped'",
            "response_id": "id",
            "question_id": "item.question.id",
            "metric_type": "CASE WHEN item.\"type\" <> 'rating_scale' THEN 'comment' "
            "ELSE coalesce(nullif(item.question.sub_type, 'customer_satisfaction'), 'csat') END",
            "rating_value": "item.rating",
            # 1 to 5, unless the survey was made with fewer points: an answer does not tell.
            "worst_rating": "CASE WHEN item.\"type\" = 'rating_scale' THEN 1 END",
            "best_rating": "CASE WHEN item.\"type\" = 'rating_scale' THEN 5 END",
            "response_text": "item.value",
            "responded_at": "item.created_at",
        },
    },
    identifiers={"user": "responder_id"},
    pii=("answers.value",),
    in_clear={"touchpoint.occurred_at": "the time of an answer"},
    may_lack=(
        "answers",
        "answers.type",
        "answers.rating",
        "answers.value",
        "answers.created_at",
        "answers.updated_at",
        "answers.question.id",
        "answers.question.sub_type",
        "responder_id",
        "subject_zrns",
    ),
)

_OFFERED = _after("created_at", "coalesce(ivr_time_spent, '0')", "seconds")
_WAS_ANSWERED = "completion_status IN ('completed', 'abandoned_on_hold') AND time_to_answer IS NOT NULL"

CALLS = http.RestStream(
    name="calls",
    title="Talk calls",
    primary_key=("id",),
    version="updated_at",
    path="/api/v2/channels/voice/stats/incremental/calls.json",
    params={"start_time": "{start:epoch}"},
    records="calls",
    # Talk never says that it is over: its last page comes again, with the second at which it started.
    pages=Walk(time="updated_at", over=None),
    says="count",
    **_EXPORT,
    to={
        "touchpoint": {
            # A call with a ticket is one contact, and the ticket is it.
            "activity": "CASE WHEN direction = 'outbound' THEN 'received_call' "
            "WHEN ticket_id IS NOT NULL THEN 'entered_queue' ELSE 'called_support' END",
            "channel": "'phone'",
            "direction": "direction",
            "occurred_at": "created_at",
            "ended_at": _after("created_at", "duration", "seconds"),
            "case_id": "ticket_id",
            "agent_id": "agent_id",
        },
        "interaction": {
            "where": "direction = 'inbound' AND coalesce(completion_status, '') <> 'abandoned_in_ivr'",
            "interaction_id": "id",
            "queue_id": "call_group_id",
            "agent_id": "agent_id",
            "offered_at": _OFFERED,
            "answered_at": f"CASE WHEN {_WAS_ANSWERED} THEN "
            f"{_after(_OFFERED, 'time_to_answer', 'seconds')} END",
            # A caller whom the queue sent to voicemail has not given up.
            "abandoned_at": "CASE WHEN completion_status = 'abandoned_in_queue' THEN "
            f"{_after(_OFFERED, 'wait_time', 'seconds')} END",
            "talk_seconds": "talk_time",
            "hold_seconds": "hold_time",
            "acw_seconds": "wrap_up_time",
            "outcome": f"CASE WHEN {_WAS_ANSWERED} THEN 'answered' "
            "WHEN completion_status = 'abandoned_in_queue' THEN 'abandoned' "
            "WHEN voicemail = 'true' THEN 'voicemail' ELSE completion_status END",
        },
    },
    identifiers={"user": "customer_id"},
    pii=("phone_number", "line"),
    may_lack=(
        "customer_id",
        "agent_id",
        "ticket_id",
        "completion_status",
        "duration",
        "wait_time",
        "time_to_answer",
        "talk_time",
        "hold_time",
        "wrap_up_time",
        "ivr_time_spent",
        "call_group_id",
        "voicemail",
    ),
)

STAFF = http.RestStream(
    name="staff",
    title="Agents and administrators: asked for to tell whose comment is whose, and not landed",
    primary_key=("id",),
    path="/api/v2/users.json",
    params={"role": "agent", "page[size]": "100"},
    records="users",
    **_CURSOR,
    sweeps=(
        http.Call(
            path="/api/v2/users.json",
            params={"role": "admin", "page[size]": "100"},
            records="users",
            **_CURSOR,
        ),
    ),
    to={"customer_profile": {"profile_id": "id"}},  # a stream needs a mapping
)

STREAMS = (TICKETS, USERS, COMMENTS, METRIC_EVENTS, SATISFACTION_RATINGS, SURVEY_RESPONSES, CALLS)
