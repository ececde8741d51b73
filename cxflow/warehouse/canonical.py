"""The canonical tables: what mappings fill. Declared here, read through `tables`."""

from __future__ import annotations

from sqlalchemy import Boolean, Double, Integer, String

from cxflow.warehouse.columns import MONEY, TIME, canonical, column, key_id, source_id

touchpoint = canonical(
    "touchpoint",
    "one interaction between a person and a brand",
    ("touchpoint_id",),
    "occurred_at",
    column("touchpoint_id", String, "hash of system, object, record and activity", nullable=False),
    column("occurred_at", TIME, "when it happened, or began", nullable=False),
    column("ended_at", TIME, "when it ended"),
    column("received_at", TIME, "when the source system learned of it"),
    column("customer_id", String, "who it was, once identity is resolved", info={"identity": True}),
    column("anonymous_id", String, "a device or session, where no person is known"),
    source_id("agent_id", "who acted for the brand"),
    column("activity", String, "what happened: verb_noun, past tense", nullable=False),
    column("channel", String, "phone, email, chat, web, app, store, mail, social, …", nullable=False),
    column("direction", String, "inbound: from the customer; outbound: to the customer"),
    column("journey_stage", String, "before, during or after the purchase"),
    column("control", String, "owned: the brand rules the place; external: it does not"),
    source_id("conversation_id", "what groups the touchpoints of one exchange"),
    source_id("case_id", "the support case it belongs to"),
    source_id("order_id", "the order it belongs to"),
    column("reason", String, "why the customer came, in the source's words"),
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
    column("touchpoint_id", String, "the answering as a touchpoint"),
    column("metric_type", String, "nps, csat, ces, …", nullable=False),
    column("rating_value", Double, "the answer, in points of its own scale"),
    column("worst_rating", Double, "that scale's worst end"),
    column("best_rating", Double, "that scale's best end"),
    column("weight", Double, "survey weight of the respondent; null counts as 1"),
    column("response_text", String, "what was written", info={"pii": True}),
    column("invited_at", TIME, "when the survey was sent"),
    column("responded_at", TIME, "when it was answered", nullable=False),
    in_order=(("invited_at", "responded_at"),),
)

review = canonical(
    "review",
    "one public rating of an order, a product or the brand",
    ("review_id",),
    "date_published",
    key_id("review_id", "the review"),
    column("touchpoint_id", String, "the writing as a touchpoint"),
    source_id("item_reviewed_id", "what was reviewed"),
    source_id("order_id", "the order it speaks of"),
    column("rating_value", Double, "points of its own scale"),
    column("worst_rating", Double, "that scale's worst end"),
    column("best_rating", Double, "that scale's best end"),
    column("review_title", String, "its heading", info={"pii": True}),
    column("review_body", String, "what was written", info={"pii": True}),
    column("language", String, "BCP 47"),
    column("date_published", TIME, "when it appeared", nullable=False),
)

interaction = canonical(
    "interaction",
    "one contact as the contact centre saw it: a call, a chat; one row per queue it was offered to",
    ("interaction_id",),
    "offered_at",
    key_id("interaction_id", "the contact, in one queue"),
    column("touchpoint_id", String, "the contact as a touchpoint"),
    source_id("queue_id", "the queue it was offered to"),
    source_id("agent_id", "who handled it"),
    column("offered_at", TIME, "when it entered the queue", nullable=False),
    column("answered_at", TIME, "when an agent took it; null if none did"),
    column("abandoned_at", TIME, "when the customer gave up waiting"),
    column("ended_at", TIME, "when it was over"),
    column("wait_seconds", Double, "from offer to answer or abandon"),
    column("talk_seconds", Double, "customer and agent connected, holds not included"),
    column("hold_seconds", Double, "customer parked"),
    column("acw_seconds", Double, "after-call work"),
    column("transfer_count", Integer, "how often it was passed on"),
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
    column("touchpoint_id", String, "the opening as a touchpoint"),
    column("customer_id", String, "whose it is", info={"identity": True}),
    source_id("order_id", "the order it is about"),
    column("opened_at", TIME, "when it was opened", nullable=False),
    column("first_reply_at", TIME, "first public reply of an agent"),
    column("first_solved_at", TIME, "first time it was set to solved"),
    column("last_solved_at", TIME, "last time it was set to solved"),
    column("reopens", Integer, "how often it was opened again"),
    column("public_replies", Integer, "public replies of agents"),
    column("priority", String, "in the source's words"),
    column("reason", String, "in the source's words"),
    column("status", String, "in the source's words"),
    in_order=(
        ("opened_at", "first_reply_at"),
        ("opened_at", "first_solved_at"),
        ("opened_at", "last_solved_at"),
        ("first_solved_at", "last_solved_at"),
    ),
)

case_status_history = canonical(
    "case_status_history",
    "the states a case went through",
    ("case_id", "valid_from"),
    "valid_from",
    key_id("case_id", "the case"),
    column("valid_from", TIME, "when the state began", nullable=False),
    column("valid_to", TIME, "when it ended; null while it lasts", info={"planned": True}),
    column("status", String, "in the source's words", nullable=False),
    source_id("agent_id", "who held the case"),
    in_order=(("valid_from", "valid_to"),),
)

order_header = canonical(
    "order_header",
    "one purchase",
    ("order_id",),
    "created_at",
    key_id("order_id", "the order"),
    column("touchpoint_id", String, "the purchase as a touchpoint"),
    column("customer_id", String, "who bought", info={"identity": True}),
    column("status", String, "in the source's words"),
    column("price_total", MONEY, "what the customer pays, in currency_code; null: the sum of its lines"),
    column("discount_amount", MONEY, "taken off, in currency_code"),
    column("tax_amount", MONEY, "tax within price_total, in currency_code"),
    column("refund_total", MONEY, "given back so far, in currency_code"),
    column("currency_code", String, "ISO 4217", nullable=False),
    column("created_at", TIME, "when it was placed", nullable=False),
    column("approved_at", TIME, "when payment was accepted"),
    column(
        "promised_at",
        TIME,
        "latest delivery promised: the whole of that day counts as kept",
        info={"planned": True},
    ),
    column("shipped_at", TIME, "when it was handed to the carrier"),
    column("delivered_at", TIME, "when the customer had all of it"),
    column("cancelled_at", TIME, "when it was called off"),
    column("is_cancelled", Boolean, "called off, whether or not the source says when"),
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
    source_id("seller_id", "who sold it, on a marketplace"),
    column("quantity", Double, "pieces, or units of measure"),
    column("unit_price", MONEY, "for one, in currency_code"),
    column("line_total", MONEY, "for all of the line, in currency_code"),
    column("freight_amount", MONEY, "carriage charged with the line, in currency_code"),
    column("currency_code", String, "ISO 4217", nullable=False),
    column("created_at", TIME, "when it was ordered; null: when the order was"),
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
    column("paid_at", TIME, "when"),
    parent=("order_header", "order_id"),
)

refund = canonical(
    "refund",
    "money or goods that went back",
    ("refund_id",),
    "refunded_at",
    key_id("refund_id", "the refund"),
    source_id("order_id", "the order", nullable=False),
    column("is_return", Boolean, "goods came back; null counts as true"),
    column("refund_total", MONEY, "in currency_code"),
    column("currency_code", String, "ISO 4217", nullable=False),
    column("refunded_at", TIME, "when", nullable=False),
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
    column("carrier", String, "who carried it"),
    column("shipped_at", TIME, "handed to the carrier"),
    column("promised_at", TIME, "latest arrival promised", info={"planned": True}),
    column("delivered_at", TIME, "handed to the customer"),
    in_order=(("shipped_at", "delivered_at"),),
    parent=("order_header", "order_id"),
)

product = canonical(
    "product",
    "one thing that is sold",
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
    "someone who might buy",
    ("lead_id",),
    "created_at",
    key_id("lead_id", "the lead"),
    column("touchpoint_id", String, "becoming a lead as a touchpoint"),
    column("customer_id", String, "who it is", info={"identity": True}),
    column("origin", String, "the campaign or channel it came from"),
    column("stage", String, "in the source's words"),
    column("created_at", TIME, "when it became a lead", nullable=False),
)

opportunity = canonical(
    "opportunity",
    "a deal in the making, or made",
    ("opportunity_id",),
    "created_at",
    key_id("opportunity_id", "the deal"),
    source_id("lead_id", "the lead it grew from"),
    column("customer_id", String, "with whom", info={"identity": True}),
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
    "something computed or noted about a touchpoint: sentiment, topic, flag",
    ("touchpoint_id", "name", "model_version"),
    None,
    column("touchpoint_id", String, "the touchpoint", nullable=False),
    column("name", String, "sentiment, topic, …", nullable=False),
    column("model_version", String, "what computed it", nullable=False),
    column("number_value", Double, "its value, where it is a number"),
    column("string_value", String, "its value, where it is a word"),
    column("confidence", Double, "0 to 1"),
)

customer_profile = canonical(
    "customer_profile",
    "what one source says about a person; the only table, with customer_identity, that holds personal data",
    ("profile_id",),
    None,
    # Sources name persons by their address, too.
    source_id("profile_id", "the person's record in that source", nullable=False, pii=True),
    column("customer_id", String, "who it is", info={"identity": True}),
    column("full_name", String, "name", info={"pii": True}),
    column("email", String, "e-mail address", info={"pii": True}),
    column("phone", String, "telephone number", info={"pii": True}),
    column("city", String, "town", info={"pii": True}),
    column("region", String, "state or province"),
    column("country", String, "ISO 3166-1 alpha-2"),
    column("segment", String, "in the source's words"),
    column("consent", Boolean, "may be contacted"),
    column("created_at", TIME, "since when the source knows them"),
)
