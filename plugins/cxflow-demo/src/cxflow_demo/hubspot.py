"""The shapes of HubSpot's API: contacts. Called by `crm`."""

from __future__ import annotations

from datetime import datetime

from cxflow_demo.record import Row, utc_iso


def contact(
    number: str,
    full_name: str,
    *,
    email: str,
    phone: str | None,
    segment: str,
    consent: bool,
    created_at: datetime,
    updated_at: datetime,
) -> Row:
    """A contact; its segment is a property of the company's own."""
    first, _, last = full_name.partition(" ")
    return {
        "id": number,
        "properties": {
            "hs_object_id": number,
            "createdate": utc_iso(created_at),
            "lastmodifieddate": utc_iso(updated_at),
            "email": email,
            "phone": phone,
            "mobilephone": None,
            "firstname": first,
            "lastname": last,
            "lifecyclestage": "subscriber",
            "hs_email_optout": "false" if consent else "true",
            "customer_segment": segment,
        },
        "createdAt": utc_iso(created_at),
        "updatedAt": utc_iso(updated_at),
        "archived": False,
    }
