"""The streams of customers' satisfaction, in its two generations."""

from __future__ import annotations

from datetime import timedelta

from cxflow import http

from cxflow_zendesk.exports import CURSOR

# A rating that was offered and not given keeps its creation time when it is given, and the services filter by
# creation.
_RATED_LATE = timedelta(days=60)

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
    **CURSOR,
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
        "survey_invitation": {
            "where": f"score = 'offered' OR {_GIVEN}",
            "invitation_id": "id",
            "survey": "'satisfaction'",
            "invited_at": "created_at",
            "responded_at": f"CASE WHEN {_GIVEN} THEN updated_at END",
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
    **CURSOR,
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
