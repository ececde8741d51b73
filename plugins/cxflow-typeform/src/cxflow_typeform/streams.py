"""The streams: requests, mappings, identifiers, personal columns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cxflow import Policies, http

_PERSONAL = (
    "answers.text",
    "answers.email",
    "answers.phone_number",
    "answers.url",
    "answers.file_url",
    "hidden",
    "metadata.network_id",
    "metadata.user_agent",
    "metadata.referer",
)
_IDENTIFIERS = {
    "email": "list_transform(list_filter(answers, a -> a.\"type\" = 'email'), a -> a.email)",
    "phone": "list_transform(list_filter(answers, a -> a.\"type\" = 'phone_number'), a -> a.phone_number)",
}
_MAY_LACK = (
    "answers",
    "answers.type",
    "answers.number",
    "answers.text",
    "answers.email",
    "answers.phone_number",
    "answers.field.id",
    "answers.field.ref",
    "answers.field.type",
)
_SURVEY: dict[str, Any] = {
    "primary_key": ("token",),
    "path": "/forms/{parent}/responses",
    "records": "items",
    "parent": http.Parent(stream="forms", carries=("title",)),
    # Submissions of the last half hour may be missing from the answers.
    "look_back": timedelta(hours=1),
    "pii": _PERSONAL,
    "identifiers": _IDENTIFIERS,
    # Answers come and go with a form's questions.
    "policies": Policies(retyped_column="accept"),
}


def _params(response_type: str) -> dict[str, str]:
    """Both bounds are inclusive, and about the time that the type goes by: submitted_at, or staged_at."""
    return {
        "page_size": "1000",
        "response_type": response_type,
        "since": "{start:iso}",
        "until": "{end:iso}",
    }


FORMS = http.RestStream(
    name="forms",
    right="forms:read",
    title="Forms: read for their responses, nothing of them is mapped",
    primary_key=("id",),
    version="last_updated_at",
    path="/forms",
    params={"page_size": "200", "page": "1"},
    records="items",
    pages=http.PageNumber(pages="page_count", size="page_size"),
    to={"product": {"where": "false", "product_id": "id"}},  # a stream needs a mapping
)

_ASKED = "list_filter(_questions, q -> q.field = item.field.id)[1]"
_IS_RATED = f"(item.number IS NOT NULL AND {_ASKED}.metric IS NOT NULL)"

RESPONSES = http.RestStream(
    name="responses",
    right="responses:read",
    title="Completed responses: a rating or a text for each answer",
    version="submitted_at",
    # Typeform does not tell which responses were deleted.
    snapshot=True,
    whole_every=timedelta(days=7),
    params=_params("completed"),
    pages=http.NewestFirst(token="token", time="submitted_at", size="page_size"),
    to={
        "touchpoint": {
            "activity": "'answered_survey'",
            "channel": "'web'",
            "occurred_at": "submitted_at",
        },
        "survey_response": {
            "for_each": "answers",
            "where": f"{_IS_RATED} OR (item.field.\"type\" = 'long_text' AND item.text IS NOT NULL)",
            "response_id": "token",
            "question_id": "coalesce(item.field.ref, item.field.id)",
            "metric_type": f"CASE WHEN {_IS_RATED} THEN {_ASKED}.metric ELSE 'comment' END",
            "rating_value": "item.number",
            "worst_rating": f"{_ASKED}.worst",
            "best_rating": f"{_ASKED}.best",
            "response_text": "item.text",
            "responded_at": "submitted_at",
        },
    },
    may_lack=(
        *_MAY_LACK,
        "_questions",
        "_questions.field",
        "_questions.metric",
        "_questions.worst",
        "_questions.best",
    ),
    **_SURVEY,
)

PARTIAL_RESPONSES = http.RestStream(
    name="partial_responses",
    right="responses:read",
    title="Responses that were begun and not submitted",
    params=_params("partial"),
    # The time that the window goes by is not said of every item: reading then ends with the list.
    pages=http.NewestFirst(token="token", time="staged_at", size="page_size"),
    to={
        "touchpoint": {
            # Others are of people who opened the form and gave no answer.
            "where": "coalesce(response_type, 'partial') = 'partial'",
            "activity": "'left_survey'",
            "channel": "'web'",
            "direction": "'inbound'",
            "journey_stage": "'after'",
            "control": "'owned'",
            "occurred_at": "coalesce(staged_at, landed_at)",
        }
    },
    may_lack=(*_MAY_LACK, "response_type", "staged_at"),
    **_SURVEY,
)

STREAMS = (FORMS, RESPONSES, PARTIAL_RESPONSES)
