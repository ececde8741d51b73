"""The canonical tables, which mappings fill. Declared here, read through `tables`."""

from __future__ import annotations

from sqlalchemy import Boolean, Double, Integer, String

from cxflow.warehouse.columns import MONEY, TIME, canonical, column, key_id, source_id

TEXT = {"pii": True, "text": True}
"""Facts of a column with what a customer wrote: its words are scored (`words`)."""

touchpoint = canonical(
    "touchpoint",
    "one interaction between a person and a brand",
    ("touchpoint_id",),
    "occurred_at",
    column("touchpoint_id", String, "hash of system, object, record and activity", nullable=False),
    column("occurred_at", TIME, "when it happened or began", nullable=False),
    column("ended_at", TIME, "when it ended"),
    column("received_at", TIME, "when the source system learned of it"),
    column("customer_id", String, "the customer, once identity is resolved", info={"identity": True}),
    column("anonymous_id", String, "a device or session, if no person is known"),
    source_id("agent_id", "the agent who acted for the brand"),
    column("activity", String, "what happened: verb_noun, past tense", nullable=False),
    column("channel", String, "phone, email, chat, web, app, store, mail, social, …", nullable=False),
    column("direction", String, "inbound: from the customer; outbound: to the customer"),
    column("journey_stage", String, "before, during or after the purchase"),
    column("control", String, "owned: the brand controls the place; external: it does not"),
    source_id("conversation_id", "groups the touchpoints of one conversation"),
    source_id("case_id", "the support case it belongs to"),
    source_id("order_id", "the order it belongs to"),
    column("reason", String, "why the customer made contact, in the source's words"),
    column("revenue_impact", MONEY, "money gained (+) or lost (−) through it"),
    column("currency_code", String, "ISO 4217, of revenue_impact"),
    in_order=(("occurred_at", "ended_at"),),
)

survey_response = canonical(
    "survey_response",
    "one answer to one question of a survey",
    ("response_id", "question_id"),
    "responded_at",
    key_id("response_id", "one filled-in survey"),
    column("question_id", String, "one question of it", nullable=False),
    column("touchpoint_id", String, "the touchpoint of answering"),
    column("metric_type", String, "nps, csat, ces, …", nullable=False),
    column("rating_value", Double, "the answer, in points of its scale"),
    column("worst_rating", Double, "worst rating of that scale"),
    column("best_rating", Double, "best rating of that scale"),
    column("weight", Double, "survey weight of the respondent; null counts as 1"),
    column("response_text", String, "the text of the answer", info=TEXT),
    column("invited_at", TIME, "when the survey was sent"),
    column("responded_at", TIME, "when it was answered", nullable=False),
    in_order=(("invited_at", "responded_at"),),
)

survey_invitation = canonical(
    "survey_invitation",
    "one invitation to a survey, whether or not it was answered",
    ("invitation_id",),
    "invited_at",
    key_id("invitation_id", "the invitation"),
    column("touchpoint_id", String, "the touchpoint of inviting"),
    column("survey", String, "which survey, in the source's words"),
    column("invited_at", TIME, "when it was sent", nullable=False),
    column("responded_at", TIME, "when it was answered; null: not yet"),
    in_order=(("invited_at", "responded_at"),),
)

review = canonical(
    "review",
    "one public rating of an order, a product or the brand",
    ("review_id",),
    "date_published",
    key_id("review_id", "the review"),
    column("touchpoint_id", String, "the touchpoint of writing it"),
    source_id("item_reviewed_id", "what was reviewed"),
    source_id("order_id", "the order it is about"),
    column("rating_value", Double, "the rating, in points of its scale"),
    column("worst_rating", Double, "worst rating of that scale"),
    column("best_rating", Double, "best rating of that scale"),
    column("review_title", String, "its title", info=TEXT),
    column("review_body", String, "its text", info=TEXT),
    column("language", String, "BCP 47"),
    column("date_published", TIME, "when it was published", nullable=False),
)

interaction = canonical(
    "interaction",
    "one contact of the contact centre (a call, a chat) in one queue that it was offered to",
    ("interaction_id",),
    "offered_at",
    key_id("interaction_id", "the contact, in one queue"),
    column("touchpoint_id", String, "the touchpoint of the contact"),
    source_id("queue_id", "the queue it was offered to"),
    source_id("agent_id", "who handled it"),
    column("offered_at", TIME, "when it entered the queue", nullable=False),
    column("answered_at", TIME, "when an agent took it; null if none did"),
    column("abandoned_at", TIME, "when the customer gave up waiting"),
    column("ended_at", TIME, "when it ended"),
    column("wait_seconds", Double, "from offer to answer or abandon"),
    column("talk_seconds", Double, "customer and agent connected, holds not included"),
    column("hold_seconds", Double, "customer on hold"),
    column("acw_seconds", Double, "after-call work"),
    column("transfer_count", Integer, "number of transfers"),
    column("outcome", String, "answered, abandoned, timeout, transferred, …"),
    in_order=(
        ("offered_at", "answered_at"),
        ("offered_at", "abandoned_at"),
        ("offered_at", "ended_at"),
        ("answered_at", "ended_at"),
    ),
)

support_case = canonical(
    "support_case",
    "one request for help, however many contacts it takes",
    ("case_id",),
    "opened_at",
    key_id("case_id", "the case or ticket"),
    column("touchpoint_id", String, "the touchpoint of opening it"),
    column("customer_id", String, "the customer", info={"identity": True}),
    source_id("order_id", "the order it is about"),
    column("opened_at", TIME, "when it was opened", nullable=False),
    column("first_reply_at", TIME, "first public reply of an agent"),
    column("first_solved_at", TIME, "first time it was set to solved"),
    column("last_solved_at", TIME, "last time it was set to solved"),
    column("reopens", Integer, "number of times it was reopened"),
    column("public_replies", Integer, "number of public replies by agents"),
    column("priority", String, "in the source's words"),
    column("reason", String, "in the source's words"),
    column("status", String, "in the source's words"),
    column("opening_text", String, "what the customer wrote to open it: subject and message", info=TEXT),
    in_order=(
        ("opened_at", "first_reply_at"),
        ("opened_at", "first_solved_at"),
        ("opened_at", "last_solved_at"),
        ("first_solved_at", "last_solved_at"),
    ),
)

case_status_history = canonical(
    "case_status_history",
    "the states of a case over time",
    ("case_id", "valid_from"),
    "valid_from",
    key_id("case_id", "the case"),
    column("valid_from", TIME, "when the state began", nullable=False),
    column("valid_to", TIME, "when it ended; null while it lasts", info={"planned": True}),
    column("status", String, "in the source's words", nullable=False),
    source_id("agent_id", "the agent assigned to the case"),
    in_order=(("valid_from", "valid_to"),),
    parent=("support_case", "case_id"),
)

order_header = canonical(
    "order_header",
    "one purchase",
    ("order_id",),
    "created_at",
    key_id("order_id", "the order"),
    column("touchpoint_id", String, "the touchpoint of the purchase"),
    column("customer_id", String, "the customer", info={"identity": True}),
    column("status", String, "in the source's words"),
    column("price_total", MONEY, "what the customer pays, in currency_code; null: the sum of its lines"),
    column("discount_amount", MONEY, "discount, in currency_code"),
    column("tax_amount", MONEY, "tax within price_total, in currency_code"),
    column("refund_total", MONEY, "refunded so far, in currency_code"),
    column("currency_code", String, "ISO 4217", nullable=False),
    column("created_at", TIME, "when it was placed", nullable=False),
    column("approved_at", TIME, "when payment was accepted"),
    column(
        "promised_at",
        TIME,
        "latest promised delivery; all of that day counts as on time",
        info={"planned": True},
    ),
    column("shipped_at", TIME, "when it was handed to the carrier"),
    column("delivered_at", TIME, "when all of it had been delivered"),
    column("cancelled_at", TIME, "when it was cancelled"),
    column("is_cancelled", Boolean, "whether it was cancelled, even if the source does not say when"),
    in_order=(("created_at", "delivered_at"), ("created_at", "cancelled_at")),
)

order_line = canonical(
    "order_line",
    "one item of a purchase",
    ("order_id", "line_no"),
    "created_at",
    key_id("order_id", "the order"),
    column("line_no", String, "the line within it", nullable=False),
    source_id("product_id", "what was bought"),
    source_id("seller_id", "the seller, on a marketplace"),
    column("quantity", Double, "pieces, or units of measure"),
    column("quantity_delivered", Double, "how many of them the customer has received so far; null: not told"),
    column("unit_price", MONEY, "price of one unit, in currency_code"),
    column("line_total", MONEY, "price of the whole line, in currency_code"),
    column("freight_amount", MONEY, "freight charged for the line, in currency_code"),
    column("currency_code", String, "ISO 4217", nullable=False),
    column("created_at", TIME, "when it was ordered; null: with the order"),
    parent=("order_header", "order_id"),
)

payment = canonical(
    "payment",
    "one payment towards an order",
    ("payment_id",),
    "paid_at",
    key_id("payment_id", "the payment"),
    source_id("order_id", "the order"),
    column("method", String, "card, transfer, voucher, … in the source's words"),
    column("instalments", Integer, "number of instalments agreed"),
    column("amount", MONEY, "in currency_code"),
    column("currency_code", String, "ISO 4217", nullable=False),
    column("paid_at", TIME, "when it was paid"),
    parent=("order_header", "order_id"),
)

refund = canonical(
    "refund",
    "one refund or return",
    ("refund_id",),
    "refunded_at",
    key_id("refund_id", "the refund"),
    source_id("order_id", "the order; null: the source does not say, and it is a return of none"),
    column("is_return", Boolean, "whether goods were returned; null counts as true"),
    column("refund_total", MONEY, "amount, in currency_code"),
    column("currency_code", String, "ISO 4217", nullable=False),
    column("refunded_at", TIME, "when it was refunded", nullable=False),
    column("reason", String, "in the source's words"),
    parent=("order_header", "order_id"),
)

delivery = canonical(
    "delivery",
    "one parcel",
    ("delivery_id",),
    "shipped_at",
    key_id("delivery_id", "the parcel"),
    source_id("order_id", "the order", nullable=False),
    column("carrier", String, "the carrier"),
    column("shipped_at", TIME, "when it was handed to the carrier"),
    column("promised_at", TIME, "latest promised arrival", info={"planned": True}),
    column("delivered_at", TIME, "when it was handed to the customer"),
    in_order=(("shipped_at", "delivered_at"),),
    parent=("order_header", "order_id"),
)

product = canonical(
    "product",
    "one product",
    ("product_id",),
    None,
    key_id("product_id", "the product"),
    column("title", String, "its name"),
    column("category", String, "in the source's words"),
)

organisation = canonical(
    "organisation",
    "a seller, a partner or a business customer",
    ("organisation_id",),
    None,
    key_id("organisation_id", "the organisation"),
    column("role", String, "seller, partner, customer", nullable=False),
    column("city", String, "where it is"),
    column("region", String, "state or province"),
)

lead = canonical(
    "lead",
    "one potential customer",
    ("lead_id",),
    "created_at",
    key_id("lead_id", "the lead"),
    column("touchpoint_id", String, "the touchpoint of becoming a lead"),
    column("customer_id", String, "the customer", info={"identity": True}),
    column("origin", String, "the campaign or channel it came from"),
    column("stage", String, "in the source's words"),
    column("created_at", TIME, "when it became a lead", nullable=False),
)

opportunity = canonical(
    "opportunity",
    "one deal, open or closed",
    ("opportunity_id",),
    "created_at",
    key_id("opportunity_id", "the deal"),
    source_id("lead_id", "the lead it came from"),
    column("customer_id", String, "the customer", info={"identity": True}),
    column("stage", String, "in the source's words"),
    column("amount", MONEY, "in currency_code"),
    column("currency_code", String, "ISO 4217", nullable=False),
    column("created_at", TIME, "when it was opened"),
    column("closed_at", TIME, "when it was won or lost"),
    column("is_won", Boolean, "true won, false lost, null open"),
    in_order=(("created_at", "closed_at"),),
    parent=("lead", "lead_id"),
)

signal = canonical(
    "signal",
    "one computed or recorded fact about a touchpoint: sentiment, topic, flag",
    ("touchpoint_id", "name", "model_version"),
    None,
    column("touchpoint_id", String, "the touchpoint", nullable=False),
    column("name", String, "sentiment, topic, …", nullable=False),
    column("model_version", String, "what computed it", nullable=False),
    column("number_value", Double, "its value, if it is a number"),
    column("string_value", String, "its value, if it is a word"),
    column("confidence", Double, "0 to 1"),
)

customer_profile = canonical(
    "customer_profile",
    "what one source knows about a person",
    ("profile_id",),
    None,
    # Some sources use an e-mail address as the id.
    source_id("profile_id", "the person's record in that source", nullable=False, pii=True),
    column("customer_id", String, "the customer", info={"identity": True}),
    column("full_name", String, "name", info={"pii": True}),
    column("email", String, "e-mail address", info={"pii": True}),
    column("phone", String, "telephone number", info={"pii": True}),
    column("city", String, "town", info={"pii": True}),
    column("region", String, "state or province"),
    column("country", String, "ISO 3166-1 alpha-2"),
    column("segment", String, "in the source's words"),
    column("consent", Boolean, "may be contacted"),
    column("created_at", TIME, "when the source first knew them"),
)
