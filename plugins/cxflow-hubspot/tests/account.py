"""An account with a day's records, in HubSpot's own form, and how to write more of them."""

from __future__ import annotations

from typing import Any

from cxflow_hubspot.service import HubSpotService, Record

DAY = "2026-03-02"


def record(number: int, kind: str, at: str = f"{DAY}T12:00:00.000Z", /, **properties: Any) -> Record:
    """A record of a type that changed last at a time."""
    clock = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
    created = properties.pop("createdate", f"{DAY}T08:00:00Z")
    return {
        "id": str(number),
        "properties": {"createdate": created, clock: at, "hs_object_id": str(number), **properties},
        "createdAt": created,
        "updatedAt": at,
        "archived": False,
    }


def archived(known: Record, at: str) -> Record:
    """The same record, archived at a time; the time of its last change stays."""
    return {**known, "archived": True, "archivedAt": at}


def contact(number: int, at: str = f"{DAY}T12:00:00.000Z", **properties: Any) -> Record:
    return record(number, "contacts", at, **{"email": f"person{number}@example.org", **properties})


def ticket(number: int, at: str = f"{DAY}T12:00:00.000Z", **properties: Any) -> Record:
    return record(number, "tickets", at, **{"source_type": "EMAIL", "subject": "Parcel open", **properties})


def of_one_day() -> HubSpotService:
    """Three contacts: 51 wrote twice and answered a survey, 52 called and bought, 53 was 54 and wrote an e-mail."""
    return HubSpotService(
        objects={
            "contacts": [
                contact(
                    51,
                    firstname="Amina",
                    lastname="Haddad",
                    email="Amina.Haddad@example.org",
                    hs_additional_emails="a.haddad@example.net;amina@old.example.org",
                    phone="+44 20 7946 0018",
                    mobilephone="",
                    lifecyclestage="customer",
                    hs_email_optout="false",
                    hs_analytics_source="PAID_SOCIAL",
                    hs_lifecyclestage_customer_date=f"{DAY}T09:00:00Z",
                ),
                contact(
                    52,
                    email=None,
                    firstname="",
                    lastname="Q’Brien-山田",
                    phone="07911 123102",
                    lifecyclestage="lead",
                    hs_lifecyclestage_lead_date=f"{DAY}T08:30:00Z",
                    hs_analytics_source="ORGANIC_SEARCH",
                ),
                contact(53, hs_calculated_merged_vids="54:1772400000000;55:1772400000001"),
            ],
            "companies": [record(900, "companies", name="Acme", city="Leeds", type="PARTNER")],
            "deals": [
                record(
                    7001,
                    "deals",
                    dealname="Q’Brien: 20 chairs",
                    amount="1200.50",
                    deal_currency_code="GBP",
                    dealstage="closedwon",
                    hs_is_closed="true",
                    hs_is_closed_won="true",
                    closedate=f"{DAY}T16:00:00Z",
                    hubspot_owner_id="81010",
                ),
                record(7002, "deals", amount="", dealstage="presentation", closedate="2026-06-30T00:00:00Z"),
            ],
            "tickets": [
                ticket(
                    700001,
                    content="Parcel arrived open,\nbox was wet.",
                    hs_pipeline_stage="4",
                    hs_ticket_priority="HIGH",
                    hs_ticket_category="PRODUCT_ISSUE",
                    first_agent_reply_date=f"{DAY}T08:20:00Z",
                    closed_date=f"{DAY}T10:00:00Z",
                    hubspot_owner_id="81010",
                ),
                ticket(700002, createdate=f"{DAY}T11:00:00Z", closed_date="", source_type="CHAT"),
                ticket(700003, source_type="PHONE"),
            ],
            "calls": [
                record(
                    880001,
                    "calls",
                    hs_timestamp=f"{DAY}T09:05:00Z",
                    hs_call_direction="INBOUND",
                    hs_call_duration="187000",
                    hs_call_status="COMPLETED",
                    hs_call_from_number="07911 123102",
                    hs_call_to_number="+442079460999",
                    hubspot_owner_id="81010",
                ),
                record(
                    880002,
                    "calls",
                    hs_timestamp=f"{DAY}T09:19:30Z",
                    hs_call_direction="INBOUND",
                    hs_call_duration=None,
                    hs_call_status="MISSED",
                    hs_call_from_number="+442079460018",
                ),
                record(
                    880003,
                    "calls",
                    hs_timestamp=f"{DAY}T09:30:00Z",
                    hs_call_direction="OUTBOUND",
                    hs_call_duration="60000",
                    hs_call_status="COMPLETED",
                    hs_call_to_number="+442079460018",
                ),
            ],
            "emails": [
                record(
                    990001,
                    "emails",
                    hs_timestamp=f"{DAY}T13:00:00Z",
                    hs_email_direction="INCOMING_EMAIL",
                    hs_email_from_email="person53@example.org",
                    hs_email_subject="Where is it?",
                ),
                record(
                    990002,
                    "emails",
                    hs_timestamp=f"{DAY}T13:30:00Z",
                    hs_email_direction="EMAIL",
                    hs_email_status="SENT",
                    hs_email_to_email="person53@example.org",
                ),
                record(
                    990003,
                    "emails",
                    hs_timestamp=f"{DAY}T13:31:00Z",
                    hs_email_direction="EMAIL",
                    hs_email_status="BOUNCED",
                    hs_email_to_email="nobody@example.org",
                ),
            ],
            "feedback_submissions": [
                record(
                    3001,
                    "feedback_submissions",
                    hs_survey_type="NPS",
                    hs_survey_id="12",
                    hs_survey_channel="EMAIL",
                    hs_value="9",
                    hs_content="Quick reply",
                    hs_submission_timestamp=f"{DAY}T14:00:00Z",
                ),
                record(
                    3002,
                    "feedback_submissions",
                    hs_survey_type="NPS",
                    hs_survey_id="12",
                    hs_survey_channel="WEB",
                    hs_value="3",
                    hs_submission_timestamp=f"{DAY}T15:00:00Z",
                ),
                record(
                    3003,
                    "feedback_submissions",
                    hs_survey_type="CSAT",
                    hs_survey_channel="WEB",
                    hs_value="5",
                    hs_submission_timestamp=f"{DAY}T15:30:00Z",
                ),
            ],
        },
        owners=[
            {
                "id": "81010",
                "email": "agent.one@example.com",
                "type": "PERSON",
                "firstName": "Agent",
                "lastName": "One",
                "userId": 99001,
                "createdAt": "2025-01-01T00:00:00Z",
                "updatedAt": "2026-01-01T00:00:00Z",
                "archived": False,
            }
        ],
        contacts_of={
            "deals": {"7001": [52]},
            "tickets": {"700001": [51], "700002": [53, 51]},
            "calls": {"880001": [52], "880003": [51]},
            "emails": {"990001": [53], "990002": [53]},
            "feedback_submissions": {"3001": [51]},
        },
    )
