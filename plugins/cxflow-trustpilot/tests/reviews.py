"""Invented reviews in the shape of Trustpilot's answers."""

from __future__ import annotations

from typing import Any


def review(number: int, at: str, **more: Any) -> dict[str, Any]:
    """A service review as the private endpoint gives it."""
    return {
        "id": f"65a0{number:020}",
        "consumer": {
            "id": f"5f00{number:020}",
            "displayName": f"Person {number}",
            "displayLocation": "London, GB",
            "numberOfReviews": 1,
        },
        "businessUnit": {
            "id": "507f191e810c19729de860ea",
            "identifyingName": "acme.example",
            "displayName": "Acme",
        },
        "location": None,
        "stars": 4,
        "title": "A title",
        "text": "A text",
        "language": "en",
        "createdAt": at,
        "updatedAt": None,
        "experiencedAt": None,
        "companyReply": None,
        "isVerified": True,
        "source": "Invitation",
        "numberOfLikes": 0,
        "tags": [],
        "referralEmail": f"person{number}@example.org",
        "referenceId": str(1000 + number),
        "findReviewer": None,
        "status": "active",
        "reportData": None,
        "complianceLabels": [],
        "countsTowardsTrustScore": True,
        "countsTowardsLocationTrustScore": None,
        "invitation": {"businessUnitId": "507f191e810c19729de860ea"},
        "businessUnitHistory": [],
        "reviewVerificationLevel": "invited",
        **more,
    }


def reply(at: str) -> dict[str, Any]:
    """The company's reply to a review."""
    return {
        "text": "Thank you!",
        "authorBusinessUserId": "5f00000000000000000000aa",
        "createdAt": at,
        "updatedAt": None,
    }


def product_review(number: int, at: str, **more: Any) -> dict[str, Any]:
    """A product review as the private endpoint gives it."""
    return {
        "id": f"75a0{number:020}",
        "createdAt": at,
        "businessUnitId": "507f191e810c19729de860ea",
        "stars": 5,
        "content": "It holds tea.",
        "product": {"id": "85a000000000000000000001", "sku": "MUG-1", "name": "A mug"},
        "consumer": {
            "id": f"5f00{number:020}",
            "email": f"person{number}@example.org",
            "name": f"Person {number}",
        },
        "referenceId": str(1000 + number),
        "locale": "en-GB",
        "language": "en",
        "state": "published",
        "conversationId": None,
        **more,
    }
