"""The warehouse's tables, once, as SQLAlchemy metadata: migrations, mapping, load and KPIs all read them here.

Three kinds: *canonical* tables, which mappings fill (`CANONICAL`); *derived* ones, which cxflow computes
(customers, KPI values); and the *books* (ledger, cursors, quarantine, the registry of source records). Every
column says what it holds, with its unit: the data dictionary in `docs/` is generated from here.

Ids that come from a source are stored as `system:id`, so that two shops may both have an order 1 and yet a
review can point at one of them. Times are UTC.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()

TIME = DateTime(timezone=True)
MONEY = Numeric(18, 4)


def _column(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], says: str, **options: Any
) -> Column[Any]:
    return Column(name, kind, comment=says, **options)


def _id(name: str, says: str, **options: Any) -> Column[Any]:
    """An id issued by a source: conform qualifies it with the system's name."""
    return _column(name, String, says, info={"qualified": True}, **options)


def _key(name: str, says: str) -> Column[Any]:
    return _id(name, says, nullable=False)


PROVENANCE = ("source_system", "source_object", "source_record_id", "is_deleted", "run_id", "loaded_at")
"""The columns that cxflow itself fills in every canonical table."""


def _provenance() -> list[Column[Any]]:
    return [
        _column("source_system", String, "the connection it came through", nullable=False),
        _column("source_object", String, "the stream of that connection", nullable=False),
        _column("source_record_id", String, "the record's key in its stream", nullable=False),
        _column("is_deleted", Boolean, "whether the source has deleted the record", nullable=False),
        _column("run_id", String, "the load that wrote this row", nullable=False),
        _column("loaded_at", TIME, "when that was", nullable=False),
    ]


def _canonical(
    name: str,
    says: str,
    key: tuple[str, ...],
    event_time: str | None,
    *columns: Column[Any],
    in_order: tuple[tuple[str, str], ...] = (),
    parent: tuple[str, str] | None = None,
) -> Table:
    """`in_order` are pairs of times of which the second is not before the first; `parent` is the table, and
    the shared id, in whose period a KPI counts the row (a refund counts in the order's)."""
    return Table(
        name,
        metadata,
        *columns,
        *_provenance(),
        comment=says,
        info={
            "kind": "canonical",
            "key": key,
            "event_time": event_time,
            "in_order": in_order,
            "parent": parent,
        },
    )


def _book(name: str, says: str, key: tuple[str, ...], *items: Any, kind: str = "book") -> Table:
    return Table(name, metadata, *items, comment=says, info={"kind": kind, "key": key})


touchpoint = _canonical(
    "touchpoint",
    "one interaction between a person and a brand",
    ("touchpoint_id",),
    "occurred_at",
    _column("touchpoint_id", String, "hash of system, object, record and activity", nullable=False),
    _column("occurred_at", TIME, "when it happened, or began", nullable=False),
    _column("ended_at", TIME, "when it ended"),
    _column("received_at", TIME, "when the source system learned of it"),
    _column("customer_id", String, "who it was, once identity is resolved", info={"identity": True}),
    _column("anonymous_id", String, "a device or session, where no person is known"),
    _id("agent_id", "who acted for the brand"),
    _column("activity", String, "what happened: verb_noun, past tense", nullable=False),
    _column("channel", String, "phone, email, chat, web, app, store, mail, social, …", nullable=False),
    _column("direction", String, "inbound: from the customer; outbound: to the customer"),
    _column("journey_stage", String, "before, during or after the purchase"),
    _column("control", String, "owned: the brand rules the place; external: it does not"),
    _id("conversation_id", "what groups the touchpoints of one exchange"),
    _id("case_id", "the support case it belongs to"),
    _id("order_id", "the order it belongs to"),
    _column("reason", String, "why the customer came, in the source's words"),
    _column("revenue_impact", MONEY, "money gained (+) or lost (−) through it"),
    _column("currency_code", String, "ISO 4217, of revenue_impact"),
    in_order=(("occurred_at", "ended_at"),),
)

survey_response = _canonical(
    "survey_response",
    "one answer to one question of a survey",
    ("response_id", "question_id"),
    "responded_at",
    _key("response_id", "one filled-in survey"),
    _column("question_id", String, "one question of it", nullable=False),
    _column("touchpoint_id", String, "the answering as a touchpoint"),
    _column("metric_type", String, "nps, csat, ces, …", nullable=False),
    _column("rating_value", Double, "the answer, in points of its own scale"),
    _column("worst_rating", Double, "that scale's worst end"),
    _column("best_rating", Double, "that scale's best end"),
    _column("weight", Double, "survey weight of the respondent; null counts as 1"),
    _column("response_text", String, "what was written", info={"pii": True}),
    _column("invited_at", TIME, "when the survey was sent"),
    _column("responded_at", TIME, "when it was answered", nullable=False),
    in_order=(("invited_at", "responded_at"),),
)

review = _canonical(
    "review",
    "one public rating of an order, a product or the brand",
    ("review_id",),
    "date_published",
    _key("review_id", "the review"),
    _column("touchpoint_id", String, "the writing as a touchpoint"),
    _id("item_reviewed_id", "what was reviewed"),
    _id("order_id", "the order it speaks of"),
    _column("rating_value", Double, "points of its own scale"),
    _column("worst_rating", Double, "that scale's worst end"),
    _column("best_rating", Double, "that scale's best end"),
    _column("review_title", String, "its heading", info={"pii": True}),
    _column("review_body", String, "what was written", info={"pii": True}),
    _column("language", String, "BCP 47"),
    _column("date_published", TIME, "when it appeared", nullable=False),
)

interaction = _canonical(
    "interaction",
    "one contact as the contact centre saw it: a call, a chat; one row per queue it was offered to",
    ("interaction_id",),
    "offered_at",
    _key("interaction_id", "the contact, in one queue"),
    _column("touchpoint_id", String, "the contact as a touchpoint"),
    _id("queue_id", "the queue it was offered to"),
    _id("agent_id", "who handled it"),
    _column("offered_at", TIME, "when it entered the queue", nullable=False),
    _column("answered_at", TIME, "when an agent took it; null if none did"),
    _column("abandoned_at", TIME, "when the customer gave up waiting"),
    _column("ended_at", TIME, "when it was over"),
    _column("wait_seconds", Double, "from offer to answer or abandon"),
    _column("talk_seconds", Double, "customer and agent connected, holds not included"),
    _column("hold_seconds", Double, "customer parked"),
    _column("acw_seconds", Double, "after-call work"),
    _column("transfer_count", Integer, "how often it was passed on"),
    _column("outcome", String, "answered, abandoned, timeout, transferred, …"),
    in_order=(
        ("offered_at", "answered_at"),
        ("offered_at", "abandoned_at"),
        ("offered_at", "ended_at"),
        ("answered_at", "ended_at"),
    ),
)

support_case = _canonical(
    "support_case",
    "one request for help, however many contacts it takes",
    ("case_id",),
    "opened_at",
    _key("case_id", "the case or ticket"),
    _column("touchpoint_id", String, "the opening as a touchpoint"),
    _column("customer_id", String, "whose it is", info={"identity": True}),
    _id("order_id", "the order it is about"),
    _column("opened_at", TIME, "when it was opened", nullable=False),
    _column("first_reply_at", TIME, "first public reply of an agent"),
    _column("first_solved_at", TIME, "first time it was set to solved"),
    _column("last_solved_at", TIME, "last time it was set to solved"),
    _column("reopens", Integer, "how often it was opened again"),
    _column("public_replies", Integer, "public replies of agents"),
    _column("priority", String, "in the source's words"),
    _column("reason", String, "in the source's words"),
    _column("status", String, "in the source's words"),
    in_order=(
        ("opened_at", "first_reply_at"),
        ("opened_at", "first_solved_at"),
        ("opened_at", "last_solved_at"),
        ("first_solved_at", "last_solved_at"),
    ),
)

case_status_history = _canonical(
    "case_status_history",
    "the states a case went through",
    ("case_id", "valid_from"),
    "valid_from",
    _key("case_id", "the case"),
    _column("valid_from", TIME, "when the state began", nullable=False),
    _column("valid_to", TIME, "when it ended; null while it lasts", info={"planned": True}),
    _column("status", String, "in the source's words", nullable=False),
    _id("agent_id", "who held the case"),
    in_order=(("valid_from", "valid_to"),),
)

order_header = _canonical(
    "order_header",
    "one purchase",
    ("order_id",),
    "created_at",
    _key("order_id", "the order"),
    _column("touchpoint_id", String, "the purchase as a touchpoint"),
    _column("customer_id", String, "who bought", info={"identity": True}),
    _column("status", String, "in the source's words"),
    _column("price_total", MONEY, "what the customer pays, in currency_code; null: the sum of its lines"),
    _column("discount_amount", MONEY, "taken off, in currency_code"),
    _column("tax_amount", MONEY, "tax within price_total, in currency_code"),
    _column("refund_total", MONEY, "given back so far, in currency_code"),
    _column("currency_code", String, "ISO 4217", nullable=False),
    _column("created_at", TIME, "when it was placed", nullable=False),
    _column("approved_at", TIME, "when payment was accepted"),
    _column(
        "promised_at",
        TIME,
        "latest delivery promised: the whole of that day counts as kept",
        info={"planned": True},
    ),
    _column("shipped_at", TIME, "when it was handed to the carrier"),
    _column("delivered_at", TIME, "when the customer had all of it"),
    _column("cancelled_at", TIME, "when it was called off"),
    _column("is_cancelled", Boolean, "called off, whether or not the source says when"),
    in_order=(("created_at", "delivered_at"), ("created_at", "cancelled_at")),
)

order_line = _canonical(
    "order_line",
    "one item of a purchase",
    ("order_id", "line_no"),
    "created_at",
    _key("order_id", "the order"),
    _column("line_no", String, "the line within it", nullable=False),
    _id("product_id", "what was bought"),
    _id("seller_id", "who sold it, on a marketplace"),
    _column("quantity", Double, "pieces, or units of measure"),
    _column("unit_price", MONEY, "for one, in currency_code"),
    _column("line_total", MONEY, "for all of the line, in currency_code"),
    _column("freight_amount", MONEY, "carriage charged with the line, in currency_code"),
    _column("currency_code", String, "ISO 4217", nullable=False),
    _column("created_at", TIME, "when it was ordered; null: when the order was"),
    parent=("order_header", "order_id"),
)

payment = _canonical(
    "payment",
    "one payment towards an order",
    ("payment_id",),
    "paid_at",
    _key("payment_id", "the payment"),
    _id("order_id", "the order"),
    _column("method", String, "card, transfer, voucher, … in the source's words"),
    _column("instalments", Integer, "number of instalments agreed"),
    _column("amount", MONEY, "in currency_code"),
    _column("currency_code", String, "ISO 4217", nullable=False),
    _column("paid_at", TIME, "when"),
    parent=("order_header", "order_id"),
)

refund = _canonical(
    "refund",
    "money or goods that went back",
    ("refund_id",),
    "refunded_at",
    _key("refund_id", "the refund"),
    _id("order_id", "the order", nullable=False),
    _column("is_return", Boolean, "goods came back; null counts as true"),
    _column("refund_total", MONEY, "in currency_code"),
    _column("currency_code", String, "ISO 4217", nullable=False),
    _column("refunded_at", TIME, "when", nullable=False),
    _column("reason", String, "in the source's words"),
    parent=("order_header", "order_id"),
)

delivery = _canonical(
    "delivery",
    "one parcel",
    ("delivery_id",),
    "shipped_at",
    _key("delivery_id", "the parcel"),
    _id("order_id", "the order", nullable=False),
    _column("carrier", String, "who carried it"),
    _column("shipped_at", TIME, "handed to the carrier"),
    _column("promised_at", TIME, "latest arrival promised", info={"planned": True}),
    _column("delivered_at", TIME, "handed to the customer"),
    in_order=(("shipped_at", "delivered_at"),),
    parent=("order_header", "order_id"),
)

product = _canonical(
    "product",
    "one thing that is sold",
    ("product_id",),
    None,
    _key("product_id", "the product"),
    _column("title", String, "its name"),
    _column("category", String, "in the source's words"),
)

organisation = _canonical(
    "organisation",
    "a seller, a partner or a business customer",
    ("organisation_id",),
    None,
    _key("organisation_id", "the organisation"),
    _column("role", String, "seller, partner, customer", nullable=False),
    _column("city", String, "where it is"),
    _column("region", String, "state or province"),
)

lead = _canonical(
    "lead",
    "someone who might buy",
    ("lead_id",),
    "created_at",
    _key("lead_id", "the lead"),
    _column("touchpoint_id", String, "becoming a lead as a touchpoint"),
    _column("customer_id", String, "who it is", info={"identity": True}),
    _column("origin", String, "the campaign or channel it came from"),
    _column("stage", String, "in the source's words"),
    _column("created_at", TIME, "when it became a lead", nullable=False),
)

opportunity = _canonical(
    "opportunity",
    "a deal in the making, or made",
    ("opportunity_id",),
    "created_at",
    _key("opportunity_id", "the deal"),
    _id("lead_id", "the lead it grew from"),
    _column("customer_id", String, "with whom", info={"identity": True}),
    _column("stage", String, "in the source's words"),
    _column("amount", MONEY, "in currency_code"),
    _column("currency_code", String, "ISO 4217", nullable=False),
    _column("created_at", TIME, "when it was opened"),
    _column("closed_at", TIME, "when it was won or lost"),
    _column("is_won", Boolean, "true won, false lost, null open"),
    in_order=(("created_at", "closed_at"),),
    parent=("lead", "lead_id"),
)

signal = _canonical(
    "signal",
    "something computed or noted about a touchpoint: sentiment, topic, flag",
    ("touchpoint_id", "name", "model_version"),
    None,
    _column("touchpoint_id", String, "the touchpoint", nullable=False),
    _column("name", String, "sentiment, topic, …", nullable=False),
    _column("model_version", String, "what computed it", nullable=False),
    _column("number_value", Double, "its value, where it is a number"),
    _column("string_value", String, "its value, where it is a word"),
    _column("confidence", Double, "0 to 1"),
)

customer_profile = _canonical(
    "customer_profile",
    "what one source says about a person; the only table, with customer_identity, that holds personal data",
    ("profile_id",),
    None,
    _key("profile_id", "the person's record in that source"),
    _column("customer_id", String, "who it is", info={"identity": True}),
    _column("full_name", String, "name", info={"pii": True}),
    _column("email", String, "e-mail address", info={"pii": True}),
    _column("phone", String, "telephone number", info={"pii": True}),
    _column("city", String, "town", info={"pii": True}),
    _column("region", String, "state or province"),
    _column("country", String, "ISO 3166-1 alpha-2"),
    _column("segment", String, "in the source's words"),
    _column("consent", Boolean, "may be contacted"),
    _column("created_at", TIME, "since when the source knows them"),
)

customer = _book(
    "customer",
    "one person, as far as the identifiers tell",
    ("customer_id",),
    _column("customer_id", String, "hash of the identifier first seen", nullable=False),
    _column("merged_into_id", String, "the customer this one turned out to be"),
    _column("first_seen_at", TIME, "earliest event with one of their identifiers", nullable=False),
    _column("last_seen_at", TIME, "latest one", nullable=False),
    _column("segment", String, "from the profile last changed"),
    _column("consent", Boolean, "from the profile last changed"),
    kind="derived",
)

customer_identity = _book(
    "customer_identity",
    "which identifier names which customer, and since when",
    ("namespace", "identity_hash", "valid_from"),
    _column("namespace", String, "email, phone, or connection.key", nullable=False),
    _column("identity_hash", String, "keyed hash of the normalised value", nullable=False),
    _column("identity_value", String, "the value itself, where settings keep it clear", info={"pii": True}),
    _column("customer_id", String, "who it names", nullable=False),
    _column("match_rule", String, "how it was linked: exact, or shared (links nobody)", nullable=False),
    _column("confidence", Double, "0 to 1", nullable=False),
    _column("valid_from", TIME, "first event with it", nullable=False),
    _column("valid_to", TIME, "when the link was undone; null while it holds"),
    kind="derived",
)

kpi_definition = _book(
    "kpi_definition",
    "what each KPI means",
    ("kpi", "version"),
    _column("kpi", String, "its name", nullable=False),
    _column("version", Integer, "raised when the formula changes", nullable=False),
    _column("title", String, "for people", nullable=False),
    _column("unit", String, "points, share, seconds, …", nullable=False),
    _column("better", String, "higher or lower"),
    _column("lowest", Double, "smallest possible value"),
    _column("highest", Double, "largest possible value"),
    _column("formula", String, "in words", nullable=False),
    _column("interval_method", String, "how ci_low and ci_high are computed", nullable=False),
    kind="derived",
)

kpi_value = _book(
    "kpi_value",
    "every KPI value ever published; the latest as_of is the current one",
    ("kpi", "version", "grain", "period_start", "dimension", "dimension_value", "as_of"),
    _column("kpi", String, "its name", nullable=False),
    _column("version", Integer, "of its definition", nullable=False),
    _column("grain", String, "day, week (from Monday), month or all", nullable=False),
    _column("period_start", Date, "first day, reporting time zone; 0001-01-01 for all", nullable=False),
    _column("dimension", String, "channel, source, segment; empty: everything", nullable=False),
    _column("dimension_value", String, "its value; empty: everything", nullable=False),
    _column("as_of", TIME, "when this value was published", nullable=False),
    _column("numerator", Double, "additive component"),
    _column("denominator", Double, "additive component"),
    _column("n", BigInteger, "observations", nullable=False),
    _column("value", Double, "null where n is under the minimum or the period has none"),
    _column("ci_low", Double, "95 % interval, low end"),
    _column("ci_high", Double, "95 % interval, high end"),
    _column("is_suppressed", Boolean, "n is under the minimum", nullable=False),
    kind="derived",
)

load_run = _book(
    "load_run",
    "the ledger: one row per loaded batch, and the books balance in each",
    ("run_id",),
    _column("run_id", String, "the load", nullable=False),
    _column("batch_id", String, "the landed batch", nullable=False),
    _column("source_system", String, "connection", nullable=False),
    _column("source_object", String, "stream", nullable=False),
    _column("mode", String, "scheduled, backfill or replay", nullable=False),
    _column("status", String, "loaded, or stopped by the gate", nullable=False),
    _column("window_start", TIME, "first instant asked for; null: the beginning"),
    _column("window_end", TIME, "first instant not asked for", nullable=False),
    _column("started_at", TIME, "when the load began", nullable=False),
    _column("finished_at", TIME, "just before its commit", nullable=False),
    _column("extracted", BigInteger, "source records read", nullable=False),
    _column("inserted", BigInteger, "new ones", nullable=False),
    _column("updated", BigInteger, "known ones that changed", nullable=False),
    _column("unchanged", BigInteger, "known ones that did not", nullable=False),
    _column("deleted", BigInteger, "ones that the source has deleted", nullable=False),
    _column("deduplicated", BigInteger, "ones of which a newer or equal version was there", nullable=False),
    _column("quarantined", BigInteger, "ones refused", nullable=False),
    _column("report", String, "JSON: drift, unusable identifiers, gate (no personal data)", nullable=False),
    _column("plugin_version", String, "of the connector", nullable=False),
    CheckConstraint(
        "status <> 'loaded' OR "
        "extracted = inserted + updated + unchanged + deleted + deduplicated + quarantined",
        name="the_books_balance",
    ),
)

stream_state = _book(
    "stream_state",
    "the cursors",
    ("source_system", "source_object"),
    _column("source_system", String, "connection", nullable=False),
    _column("source_object", String, "stream", nullable=False),
    _column("cursor", String, "JSON, the connector's own", nullable=False),
    _column("position", TIME, "everything known before this instant is loaded"),
    _column("raw_columns", String, "JSON: the raw shape seen so far", nullable=False),
    _column("run_id", String, "the load that set it", nullable=False),
    _column("updated_at", TIME, "when", nullable=False),
)

quarantine = _book(
    "quarantine",
    "source records that were refused, with the reason and the raw record",
    ("quarantine_id",),
    _column("quarantine_id", String, "hash of system, object, key, content and rule", nullable=False),
    _column("source_system", String, "connection", nullable=False),
    _column("source_object", String, "stream", nullable=False),
    _column("source_record_id", String, "the record's key, as far as it could be read"),
    _column("batch_id", String, "the landed batch it is in", nullable=False),
    _column("row_number", BigInteger, "its row in that batch, from 1", nullable=False),
    _column("stage", String, "landing, conform or validate", nullable=False),
    _column("rule", String, "what it broke", nullable=False),
    _column("column_name", String, "the canonical column at fault"),
    _column("raw_value", String, "the value at fault", info={"pii": True}),
    _column("payload", String, "the raw record, JSON or text", info={"pii": True}),
    _column("version_at", TIME, "the refused version, where it could be read"),
    _column("received_at", TIME, "when it was delivered", nullable=False),
    _column("status", String, "open, replayed, superseded or discarded", nullable=False),
    _column("reason", String, "why it was discarded"),
    _column("first_seen_at", TIME, "when", nullable=False),
    _column("closed_at", TIME, "when it left the quarantine"),
    _column("run_id", String, "the load that wrote or closed it", nullable=False),
)

source_record = _book(
    "source_record",
    "the registry: one row per source record, with the version that is loaded",
    ("source_system", "source_object", "source_record_id"),
    _column("source_system", String, "connection", nullable=False),
    _column("source_object", String, "stream", nullable=False),
    _column("source_record_id", String, "the record's key", nullable=False),
    _column("version_at", TIME, "its version, where the stream declares one"),
    _column("received_at", TIME, "when that version was delivered", nullable=False),
    _column("content_hash", String, "of what it became", nullable=False),
    _column("is_deleted", Boolean, "deleted at the source", nullable=False),
    _column("run_id", String, "the load that wrote it", nullable=False),
)

record_identity = _book(
    "record_identity",
    "the identifiers met in each source record: the edges of the identity graph",
    ("source_system", "source_object", "source_record_id", "namespace", "identity_hash"),
    _column("source_system", String, "connection", nullable=False),
    _column("source_object", String, "stream", nullable=False),
    _column("source_record_id", String, "the record", nullable=False),
    _column("namespace", String, "of the identifier", nullable=False),
    _column("identity_hash", String, "keyed hash of the normalised value", nullable=False),
    _column("identity_value", String, "the value itself, where settings keep it clear", info={"pii": True}),
    _column("seen_at", TIME, "when the record's event happened", nullable=False),
)

pending_identity = _book(
    "pending_identity",
    "identifiers whose records changed since identity was last resolved",
    ("namespace", "identity_hash"),
    _column("namespace", String, "of the identifier", nullable=False),
    _column("identity_hash", String, "its hash", nullable=False),
)

pending_kpi = _book(
    "pending_kpi",
    "days whose rows changed since the KPIs were last computed",
    ("table_name", "day"),
    _column("table_name", String, "the canonical table", nullable=False),
    _column("day", Date, "UTC day of the event; null: rows without a time"),
)

CANONICAL: dict[str, Table] = {
    table.name: table for table in metadata.sorted_tables if table.info["kind"] == "canonical"
}
"""The tables a mapping may fill, by name."""

KEYS: dict[str, tuple[str, ...]] = {table.name: table.info["key"] for table in metadata.sorted_tables}
"""What is unique in each table. The load keeps it so; DuckDB gets no index for it (see `dialect`)."""


def times(table: Table) -> tuple[str, ...]:
    """The columns of a canonical table that say when something happened: any of them may date a KPI."""
    return tuple(
        name
        for name, column in mappable(table).items()
        if column.type is TIME and not column.info.get("planned") and name != "received_at"
    )


def mappable(table: Table) -> dict[str, Column[Any]]:
    """The columns of a canonical table that a mapping may fill."""
    return {
        column.name: column
        for column in table.columns
        if column.name not in PROVENANCE and not column.info.get("identity")
    }
