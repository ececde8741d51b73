"""The shapes of Trustpilot's API: reviews of the company, with its replies. Called by `reviews`."""

from __future__ import annotations

from datetime import datetime

from cxflow_demo.record import Row, utc_iso

_UNIT = "507f191e810c19729de860ea"


def review(
    number: int,
    *,
    consumer: int,
    name: str,
    email: str | None,
    order: str,
    stars: int,
    text: str,
    created_at: datetime,
    replied_at: datetime | None,
    status: str,
) -> Row:
    """A review after an invitation, as the private endpoint gives it. `status` is active while it is published."""
    reply = {
        "text": "Thank you for telling us.",
        "authorBusinessUserId": f"{900:024x}",
        "createdAt": utc_iso(replied_at),
        "updatedAt": None,
    }
    return {
        "id": f"{number:024x}",
        "consumer": {
            "id": f"{consumer:024x}",
            "displayName": name,
            "displayLocation": "Madrid, ES",
            "numberOfReviews": 1,
        },
        "businessUnit": {"id": _UNIT, "identifyingName": "acme.example", "displayName": "Acme"},
        "location": None,
        "stars": stars,
        "title": text[:20],
        "text": text,
        "language": "es",
        "createdAt": utc_iso(created_at),
        "updatedAt": None,
        "experiencedAt": None,
        "companyReply": reply if replied_at else None,
        "isVerified": True,
        "source": "Invitation",
        "numberOfLikes": 0,
        "tags": [],
        "referralEmail": email,
        "referenceId": order,
        "findReviewer": None,
        "status": status,
        "reportData": None,
        "complianceLabels": [],
        "countsTowardsTrustScore": status == "active",
        "countsTowardsLocationTrustScore": None,
        "invitation": {"businessUnitId": _UNIT},
        "businessUnitHistory": [],
        "reviewVerificationLevel": "invited",
    }
