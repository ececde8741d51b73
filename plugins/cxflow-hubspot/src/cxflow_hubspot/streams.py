"""The streams: what is asked for, and what becomes of it. `objects` says how HubSpot is asked."""

from __future__ import annotations

from cxflow import http

from cxflow_hubspot.objects import HubSpotStream, changed_objects, names, value

_AGENT = {"agent_id": value("hubspot_owner_id")}
_ONE_CONTACT = {"contact": "_contact"}

CONTACTS = changed_objects(
    "contacts",
    "People, with the ids of those merged into them",
    changed="lastmodifieddate",  # contacts alone have this name for it
    asked=names(
        "email hs_additional_emails phone mobilephone firstname lastname city state "
        "hs_country_region_code lifecyclestage hs_email_optout createdate hs_analytics_source "
        "hs_lifecyclestage_lead_date hs_lifecyclestage_customer_date hs_calculated_merged_vids "
        "hs_merged_object_ids"
    ),
    personal=("email", "hs_additional_emails", "phone", "mobilephone", "firstname", "lastname", "city"),
    # Merged ids are `id` or `id:time`, separated by semicolons; further addresses are separated so, too.
    identifiers={
        "contact": "string_split(concat_ws(';', id, properties.hs_merged_object_ids, "
        "regexp_replace(properties.hs_calculated_merged_vids, ':[0-9]+', '', 'g')), ';')",
        "email": "string_split(concat_ws(';', properties.email, properties.hs_additional_emails), ';')",
        "phone": "[properties.phone, properties.mobilephone]",
    },
    to={
        "touchpoint": [
            {
                "activity": f"'{activity}'",
                "where": f"{value(when)} IS NOT NULL",
                "occurred_at": value(when),
                "channel": "CASE properties.hs_analytics_source WHEN 'EMAIL_MARKETING' THEN 'email' "
                "WHEN 'SOCIAL_MEDIA' THEN 'social' WHEN 'PAID_SOCIAL' THEN 'social' WHEN 'OFFLINE' THEN 'offline' "
                "ELSE 'web' END",
            }
            for activity, when in (
                ("became_contact", "createdate"),
                ("became_lead", "hs_lifecyclestage_lead_date"),
                ("became_customer", "hs_lifecyclestage_customer_date"),
            )
        ],
        "customer_profile": {
            "profile_id": "id",
            "full_name": "nullif(trim(concat_ws(' ', properties.firstname, properties.lastname)), '')",
            "email": value("email"),
            "phone": f"coalesce({value('phone')}, {value('mobilephone')})",
            "city": value("city"),
            "region": value("state"),
            "country": value("hs_country_region_code"),
            "segment": value("lifecyclestage"),
            "consent": "CASE properties.hs_email_optout WHEN 'true' THEN false WHEN 'false' THEN true END",
            "created_at": value("createdate"),
        },
        # Someone who never was a lead, such as an imported customer, cannot be converted.
        "lead": {
            "where": f"{value('hs_lifecyclestage_lead_date')} IS NOT NULL",
            "lead_id": "id",
            "origin": value("hs_analytics_source"),
            "stage": value("lifecyclestage"),
            "created_at": value("hs_lifecyclestage_lead_date"),
        },
    },
)

COMPANIES = changed_objects(
    "companies",
    "Companies",
    asked=("name", "domain", "type", "city", "state", "createdate", "hs_merged_object_ids"),
    personal=(),
    to={
        "organisation": {
            "organisation_id": "id",
            "role": "CASE properties.type WHEN 'PARTNER' THEN 'partner' WHEN 'RESELLER' THEN 'partner' "
            "WHEN 'VENDOR' THEN 'seller' ELSE 'customer' END",
            "city": value("city"),
            "region": value("state"),
        }
    },
)

DEALS = changed_objects(
    "deals",
    "Deals, open or closed",
    of_contacts=True,
    asked=names(
        "dealname amount deal_currency_code dealstage pipeline hs_is_closed hs_is_closed_won createdate "
        "closedate hubspot_owner_id"
    ),
    personal=("dealname",),
    identifiers=_ONE_CONTACT,
    to={
        "touchpoint": {
            "where": "properties.hs_is_closed_won = 'true'",
            "activity": "'placed_order'",
            "channel": "'sales'",
            "occurred_at": value("closedate"),
            "revenue_impact": value("amount"),
            "currency_code": value("deal_currency_code"),
            **_AGENT,
        },
        "opportunity": {
            "opportunity_id": "id",
            "lead_id": "_contact",
            "stage": value("dealstage"),
            "amount": value("amount"),
            "currency_code": value("deal_currency_code"),
            "created_at": value("createdate"),
            # An open deal's close date is a forecast.
            "closed_at": f"CASE WHEN properties.hs_is_closed = 'true' THEN {value('closedate')} END",
            "is_won": "CASE WHEN properties.hs_is_closed_won = 'true' THEN true "
            "WHEN properties.hs_is_closed = 'true' THEN false END",
        },
    },
)

TICKETS = changed_objects(
    "tickets",
    "Requests for help",
    of_contacts=True,
    asked=names(
        "subject content createdate closed_date first_agent_reply_date hs_pipeline hs_pipeline_stage "
        "hs_ticket_category hs_ticket_priority hubspot_owner_id source_type"
    ),
    personal=("subject", "content"),
    identifiers=_ONE_CONTACT,
    to={
        "touchpoint": {
            "activity": "'contacted_support'",
            "channel": "CASE properties.source_type WHEN 'EMAIL' THEN 'email' WHEN 'PHONE' THEN 'phone' "
            "WHEN 'CHAT' THEN 'chat' ELSE 'web' END",
            "occurred_at": value("createdate"),
            "case_id": "id",
            "reason": value("hs_ticket_category"),
            **_AGENT,
        },
        "support_case": {
            "case_id": "id",
            "opened_at": value("createdate"),
            "first_reply_at": value("first_agent_reply_date"),
            "last_solved_at": value("closed_date"),
            "priority": value("hs_ticket_priority"),
            "reason": value("hs_ticket_category"),
            "status": value("hs_pipeline_stage"),
        },
    },
)

_INBOUND = "properties.hs_call_direction = 'INBOUND'"

CALLS = changed_objects(
    "calls",
    "Telephone calls, logged or made from HubSpot",
    of_contacts=True,
    asked=names(
        "hs_timestamp hs_call_direction hs_call_duration hs_call_status hs_call_disposition "
        "hs_call_from_number hs_call_to_number hs_call_title hs_call_body hubspot_owner_id"
    ),
    personal=("hs_call_from_number", "hs_call_to_number", "hs_call_title", "hs_call_body"),
    identifiers={
        **_ONE_CONTACT,
        # Only where nobody is known: a call from a colleague's desk would make two contacts one person.
        "phone": f"CASE WHEN _contact IS NULL THEN CASE WHEN {_INBOUND} THEN properties.hs_call_from_number "
        "ELSE properties.hs_call_to_number END END",
    },
    # No interaction: HubSpot does not say how long a caller waited, and a wait of none would be a wrong service level.
    to={
        "touchpoint": {
            "activity": f"CASE WHEN {_INBOUND} THEN 'called_support' ELSE 'received_call' END",
            "channel": "'phone'",
            "occurred_at": value("hs_timestamp"),
            "ended_at": f"{value('hs_timestamp')}::TIMESTAMPTZ + to_milliseconds({value('hs_call_duration')}::BIGINT)",
            "conversation_id": "id",
            **_AGENT,
        },
    },
)

_INCOMING = "properties.hs_email_direction IN ('INCOMING_EMAIL', 'FORWARDED_EMAIL')"

EMAILS = changed_objects(
    "emails",
    "E-mails, logged or sent from HubSpot",
    of_contacts=True,
    asked=names(
        "hs_timestamp hs_email_direction hs_email_status hs_email_subject hs_email_text "
        "hs_email_from_email hs_email_to_email hs_email_thread_id hubspot_owner_id"
    ),
    personal=("hs_email_subject", "hs_email_text", "hs_email_from_email", "hs_email_to_email"),
    identifiers={
        **_ONE_CONTACT,
        "email": f"CASE WHEN _contact IS NULL AND {_INCOMING} THEN properties.hs_email_from_email END",
    },
    to={
        "touchpoint": {
            # Neither is a support contact by itself: a ticket that came by e-mail would count twice.
            "where": f"{_INCOMING} OR coalesce(properties.hs_email_status, 'SENT') = 'SENT'",
            "activity": f"CASE WHEN {_INCOMING} THEN 'wrote_message' ELSE 'received_message' END",
            "journey_stage": "'before'",  # people of sales write them
            "direction": f"CASE WHEN {_INCOMING} THEN 'inbound' ELSE 'outbound' END",
            "control": "'owned'",
            "channel": "'email'",
            "occurred_at": value("hs_timestamp"),
            "conversation_id": value("hs_email_thread_id"),
            **_AGENT,
        }
    },
)

FEEDBACK = changed_objects(
    "feedback_submissions",
    "Answers to surveys: NPS, CSAT, CES",
    of_contacts=True,
    asked=names(
        "hs_survey_type hs_survey_id hs_survey_channel hs_value hs_content hs_sentiment "
        "hs_submission_timestamp"
    ),
    personal=("hs_content",),
    identifiers=_ONE_CONTACT,
    to={
        "touchpoint": {
            "activity": "'answered_survey'",
            "channel": "CASE properties.hs_survey_channel WHEN 'EMAIL' THEN 'email' ELSE 'web' END",
            "occurred_at": value("hs_submission_timestamp"),
        },
        "survey_response": {
            "where": f"{value('hs_survey_type')} IS NOT NULL",
            "response_id": "id",
            "question_id": f"coalesce({value('hs_survey_id')}, properties.hs_survey_type)",
            "metric_type": "lower(properties.hs_survey_type)",
            "rating_value": value("hs_value"),
            "response_text": value("hs_content"),
            "responded_at": value("hs_submission_timestamp"),
        },
    },
)

_OWNERS = {
    "path": "/crm/v3/owners",
    "records": "results",
    "pages": http.Token(token="paging.next.after", param="after", size="limit"),
    "changed": "updatedAt",  # there is no filter by time
}

OWNERS = HubSpotStream(
    name="owners",
    right="crm.objects.owners.read",
    title="The account's users: who `agent_id` is",
    primary_key=("id",),
    version="updatedAt",
    deleted="archived = 'true'",
    params={"limit": "100", "archived": "false"},
    sweeps=(http.Call(params={"limit": "100", "archived": "true"}, **_OWNERS),),
    pii=("email", "firstName", "lastName"),
    may_lack=("email", "firstName", "lastName", "archived"),
    # The warehouse has no table of agents. They land, and no row is made of them.
    to={"organisation": {"where": "false", "organisation_id": "id", "role": "'agent'"}},
    **_OWNERS,
)

STREAMS = (CONTACTS, COMPANIES, DEALS, TICKETS, CALLS, EMAILS, FEEDBACK, OWNERS)
