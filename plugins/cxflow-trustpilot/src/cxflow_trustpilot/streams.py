"""The streams: where reviews are, how their pages follow each other, and what they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cxflow import http

LOOK_BACK = timedelta(days=30)
"""Trustpilot filters by when a review was written, not by when it changed: an edit, a reply, a removal from
the profile and a review held back for moderation are seen only by reading the last month again."""
WHOLE = timedelta(days=30)
"""How often all reviews are read: Trustpilot does not tell which were deleted, and sells its requests."""
_CAP = 100_000
"""Records after which a query has no more pages."""
_SIZE = 100
"""Records of a page, at most."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What settings say of a review's fields."""

    orders: str | None
    """The connection whose orders it refers to."""
    statuses: Sequence[str]
    """The states in which it counts."""

    @property
    def order_id(self) -> str:
        """The order, as an expression."""
        return f"id_of({_literal(self.orders)}, referenceId)" if self.orders else "referenceId"

    @property
    def counts(self) -> str:
        """Whether a review counts, as a condition."""
        return f"coalesce(status, 'active') IN ({', '.join(map(_literal, self.statuses)) or 'NULL'})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class OldestFirst(http.PageNumber):
    """Pages by number, oldest first; at the cap the query starts again at its last review."""

    def after(self, page: http.Page) -> http.Request | None:
        """The next page; at the cap, the first from the second before the last review: it is not documented
        whether a query includes its own start. Raises SourceError if that is no later."""
        params = page.request.params
        if page.records and self.cap and int(params["page"]) * int(params["perPage"]) >= self.cap:
            last = datetime.fromisoformat(str(page.field(-1, "createdAt"))).astimezone(UTC)
            anchor = f"{last - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"
            if anchor > params.get("startDateTime", ""):
                first = page.request.with_params(page="1", startDateTime=anchor)
                return replace(first, starts_again=True)
        following = super().after(page)
        return following and replace(following, starts_again=False)


class NewestFirst(http.PageNumber):
    """Pages by number, newest first, until they are older than the window."""

    def after(self, page: http.Page) -> http.Request | None:
        """The next page, unless this one ends before the window."""
        start = page.window.start
        if page.records and start is not None:
            last = datetime.fromisoformat(str(page.field(-1, "createdAt")))
            if (last if last.tzinfo else last.replace(tzinfo=UTC)) < start:
                return None
        return super().after(page)


_PAGE = {"page": "1", "perPage": str(_SIZE)}
# There is no `version`: no time in a review moves when its status changes or a reply is removed. The last
# delivery counts.
_REPLY = {
    "where": "companyReply.createdAt IS NOT NULL",
    "activity": "'received_reply'",
    "channel": "'web'",
    "direction": "'outbound'",
    "journey_stage": "'after'",
    "control": "'external'",
    "occurred_at": "companyReply.createdAt",
    "conversation_id": "id",
}


def service_reviews(meaning: Meaning, *, is_public: bool = False) -> http.RestStream:
    """Reviews of the company, each with the company's reply."""
    return http.RestStream(
        name="service_reviews",
        title="Reviews of the company",
        primary_key=("id",),
        look_back=LOOK_BACK,
        snapshot=True,
        whole_every=WHOLE,
        records="reviews",
        **(_PUBLIC if is_public else _PRIVATE),
        pii=(
            "consumer.displayName",
            "consumer.displayLocation",
            "title",
            "text",
            "companyReply.text",
            "referralEmail",
            "findReviewer",
            "reportData",
        ),
        # The public endpoint leaves some out, the private one those that an application may not see.
        may_lack=(
            *("title", "text", "language", "status", "referralEmail", "referenceId", "findReviewer"),
            *("reportData", "companyReply", "companyReply.text", "companyReply.createdAt"),
            *("consumer.displayName", "consumer.displayLocation"),
        ),
        identifiers={"email": "referralEmail", "consumer": "consumer.id"},
        to={
            "touchpoint": [
                {
                    "where": meaning.counts,
                    "activity": "'wrote_review'",
                    "channel": "'web'",
                    "occurred_at": "createdAt",
                    "conversation_id": "id",
                    "order_id": meaning.order_id,
                },
                {**_REPLY, "where": f"{_REPLY['where']} AND {meaning.counts}", "order_id": meaning.order_id},
            ],
            "review": {
                "where": meaning.counts,
                "review_id": "id",
                "item_reviewed_id": "businessUnit.id",
                "order_id": meaning.order_id,
                "rating_value": "stars",
                "review_title": "title",
                "review_body": '"text"',
                "language": '"language"',
                "date_published": "createdAt",
            },
        },
    )


_PRIVATE: dict[str, Any] = {
    "path": "/private/business-units/{unit}/reviews",
    "params": {
        **_PAGE,
        "orderBy": "createdat.asc",
        "startDateTime": "{start:naive}",
        "endDateTime": "{end:naive}",
    },
    "overlap": timedelta(seconds=1),  # whether a query includes its own start is not documented
    "pages": OldestFirst(size="perPage", cap=_CAP),
}
_PUBLIC: dict[str, Any] = {
    "path": "/business-units/{unit}/reviews",
    "params": {**_PAGE, "orderBy": "createdat.desc"},  # it knows no window
    "changed": "createdAt",
    "pages": NewestFirst(size="perPage", cap=_CAP),
}


def product_reviews(meaning: Meaning) -> http.RestStream:
    """Published reviews of products. No filter and no order by time is documented, so every run reads all."""
    return http.RestStream(
        name="product_reviews",
        title="Published reviews of products",
        primary_key=("id",),
        look_back=LOOK_BACK,
        snapshot=True,
        whole_every=WHOLE,
        records="productReviews",
        path="/private/product-reviews/business-units/{unit}/reviews",
        params=_PAGE,
        pages=http.PageNumber(size="perPage", cap=_CAP),
        changed="createdAt",
        pii=("consumer.email", "consumer.name", "content"),
        may_lack=("consumer.email", "consumer.name", "content", "referenceId", "language", "product.sku"),
        identifiers={"email": "consumer.email", "consumer": "consumer.id"},
        to={
            "touchpoint": {
                "activity": "'wrote_review'",
                "channel": "'web'",
                "occurred_at": "createdAt",
                "order_id": meaning.order_id,
            },
            "review": {
                "review_id": "id",
                "item_reviewed_id": "product.sku",
                "order_id": meaning.order_id,
                "rating_value": "stars",
                "review_body": "content",
                "language": '"language"',
                "date_published": "createdAt",
            },
        },
    )
