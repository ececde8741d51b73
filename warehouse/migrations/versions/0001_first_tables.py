"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_status_history",
        sa.Column("case_id", sa.String(), nullable=False, comment="the case"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False, comment="when the state began"),
        sa.Column(
            "valid_to",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it ended; null while it lasts",
        ),
        sa.Column("status", sa.String(), nullable=False, comment="in the source's words"),
        sa.Column("agent_id", sa.String(), nullable=True, comment="who held the case"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="the states a case went through",
        info={
            "kind": "canonical",
            "key": ("case_id", "valid_from"),
            "event_time": "valid_from",
            "in_order": (("valid_from", "valid_to"),),
            "parent": None,
        },
    )
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.String(), nullable=False, comment="hash of the identifier first seen"),
        sa.Column(
            "merged_into_id", sa.String(), nullable=True, comment="the customer this one turned out to be"
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="earliest event with one of their identifiers",
        ),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False, comment="latest one"),
        sa.Column("segment", sa.String(), nullable=True, comment="from the profile last changed"),
        sa.Column("consent", sa.Boolean(), nullable=True, comment="from the profile last changed"),
        comment="one person, as far as the identifiers tell",
        info={"kind": "derived", "key": ("customer_id",)},
    )
    op.create_table(
        "customer_identity",
        sa.Column("namespace", sa.String(), nullable=False, comment="email, phone, or connection.key"),
        sa.Column("identity_hash", sa.String(), nullable=False, comment="keyed hash of the normalised value"),
        sa.Column(
            "identity_value",
            sa.String(),
            nullable=True,
            comment="the value itself, where settings keep it clear",
        ),
        sa.Column("customer_id", sa.String(), nullable=False, comment="who it names"),
        sa.Column(
            "match_rule",
            sa.String(),
            nullable=False,
            comment="how it was linked: exact, or shared (links nobody)",
        ),
        sa.Column("confidence", sa.Double(), nullable=False, comment="0 to 1"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False, comment="first event with it"),
        sa.Column(
            "valid_to",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the link was undone; null while it holds",
        ),
        comment="which identifier names which customer, and since when",
        info={"kind": "derived", "key": ("namespace", "identity_hash", "valid_from")},
    )
    op.create_table(
        "customer_profile",
        sa.Column("profile_id", sa.String(), nullable=False, comment="the person's record in that source"),
        sa.Column("customer_id", sa.String(), nullable=True, comment="who it is"),
        sa.Column("full_name", sa.String(), nullable=True, comment="name"),
        sa.Column("email", sa.String(), nullable=True, comment="e-mail address"),
        sa.Column("phone", sa.String(), nullable=True, comment="telephone number"),
        sa.Column("city", sa.String(), nullable=True, comment="town"),
        sa.Column("region", sa.String(), nullable=True, comment="state or province"),
        sa.Column("country", sa.String(), nullable=True, comment="ISO 3166-1 alpha-2"),
        sa.Column("segment", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column("consent", sa.Boolean(), nullable=True, comment="may be contacted"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when the source knows them",
        ),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="what one source says about a person; the only table, with customer_identity, that holds personal data",
        info={
            "kind": "canonical",
            "key": ("profile_id",),
            "event_time": None,
            "in_order": (),
            "parent": None,
        },
    )
    op.create_table(
        "delivery",
        sa.Column("delivery_id", sa.String(), nullable=False, comment="the parcel"),
        sa.Column("order_id", sa.String(), nullable=False, comment="the order"),
        sa.Column("carrier", sa.String(), nullable=True, comment="who carried it"),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True, comment="handed to the carrier"),
        sa.Column(
            "promised_at", sa.DateTime(timezone=True), nullable=True, comment="latest arrival promised"
        ),
        sa.Column(
            "delivered_at", sa.DateTime(timezone=True), nullable=True, comment="handed to the customer"
        ),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one parcel",
        info={
            "kind": "canonical",
            "key": ("delivery_id",),
            "event_time": "shipped_at",
            "in_order": (("shipped_at", "delivered_at"),),
            "parent": ("order_header", "order_id"),
        },
    )
    op.create_table(
        "interaction",
        sa.Column("interaction_id", sa.String(), nullable=False, comment="the contact, in one queue"),
        sa.Column("touchpoint_id", sa.String(), nullable=True, comment="the contact as a touchpoint"),
        sa.Column("queue_id", sa.String(), nullable=True, comment="the queue it was offered to"),
        sa.Column("agent_id", sa.String(), nullable=True, comment="who handled it"),
        sa.Column(
            "offered_at", sa.DateTime(timezone=True), nullable=False, comment="when it entered the queue"
        ),
        sa.Column(
            "answered_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when an agent took it; null if none did",
        ),
        sa.Column(
            "abandoned_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the customer gave up waiting",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="when it was over"),
        sa.Column("wait_seconds", sa.Double(), nullable=True, comment="from offer to answer or abandon"),
        sa.Column(
            "talk_seconds",
            sa.Double(),
            nullable=True,
            comment="customer and agent connected, holds not included",
        ),
        sa.Column("hold_seconds", sa.Double(), nullable=True, comment="customer parked"),
        sa.Column("acw_seconds", sa.Double(), nullable=True, comment="after-call work"),
        sa.Column("transfer_count", sa.Integer(), nullable=True, comment="how often it was passed on"),
        sa.Column(
            "outcome", sa.String(), nullable=True, comment="answered, abandoned, timeout, transferred, …"
        ),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one contact as the contact centre saw it: a call, a chat; one row per queue it was offered to",
        info={
            "kind": "canonical",
            "key": ("interaction_id",),
            "event_time": "offered_at",
            "in_order": (
                ("offered_at", "answered_at"),
                ("offered_at", "abandoned_at"),
                ("offered_at", "ended_at"),
                ("answered_at", "ended_at"),
            ),
            "parent": None,
        },
    )
    op.create_table(
        "kpi_definition",
        sa.Column("kpi", sa.String(), nullable=False, comment="its name"),
        sa.Column("version", sa.Integer(), nullable=False, comment="raised when the formula changes"),
        sa.Column("title", sa.String(), nullable=False, comment="for people"),
        sa.Column("unit", sa.String(), nullable=False, comment="points, share, seconds, …"),
        sa.Column("better", sa.String(), nullable=True, comment="higher or lower"),
        sa.Column("lowest", sa.Double(), nullable=True, comment="smallest possible value"),
        sa.Column("highest", sa.Double(), nullable=True, comment="largest possible value"),
        sa.Column("formula", sa.String(), nullable=False, comment="in words"),
        sa.Column(
            "interval_method", sa.String(), nullable=False, comment="how ci_low and ci_high are computed"
        ),
        comment="what each KPI means",
        info={"kind": "derived", "key": ("kpi", "version")},
    )
    op.create_table(
        "kpi_value",
        sa.Column("kpi", sa.String(), nullable=False, comment="its name"),
        sa.Column("version", sa.Integer(), nullable=False, comment="of its definition"),
        sa.Column("grain", sa.String(), nullable=False, comment="day, week (from Monday), month or all"),
        sa.Column(
            "period_start",
            sa.Date(),
            nullable=False,
            comment="first day, reporting time zone; 0001-01-01 for all",
        ),
        sa.Column(
            "dimension", sa.String(), nullable=False, comment="channel, source, segment; empty: everything"
        ),
        sa.Column("dimension_value", sa.String(), nullable=False, comment="its value; empty: everything"),
        sa.Column(
            "as_of", sa.DateTime(timezone=True), nullable=False, comment="when this value was published"
        ),
        sa.Column("numerator", sa.Double(), nullable=True, comment="additive component"),
        sa.Column("denominator", sa.Double(), nullable=True, comment="additive component"),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="observations"),
        sa.Column(
            "value",
            sa.Double(),
            nullable=True,
            comment="null where n is under the minimum or the period has none",
        ),
        sa.Column("ci_low", sa.Double(), nullable=True, comment="95 % interval, low end"),
        sa.Column("ci_high", sa.Double(), nullable=True, comment="95 % interval, high end"),
        sa.Column("is_suppressed", sa.Boolean(), nullable=False, comment="n is under the minimum"),
        comment="every KPI value ever published; the latest as_of is the current one",
        info={
            "kind": "derived",
            "key": ("kpi", "version", "grain", "period_start", "dimension", "dimension_value", "as_of"),
        },
    )
    op.create_table(
        "lead",
        sa.Column("lead_id", sa.String(), nullable=False, comment="the lead"),
        sa.Column("touchpoint_id", sa.String(), nullable=True, comment="becoming a lead as a touchpoint"),
        sa.Column("customer_id", sa.String(), nullable=True, comment="who it is"),
        sa.Column("origin", sa.String(), nullable=True, comment="the campaign or channel it came from"),
        sa.Column("stage", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="when it became a lead"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="someone who might buy",
        info={
            "kind": "canonical",
            "key": ("lead_id",),
            "event_time": "created_at",
            "in_order": (),
            "parent": None,
        },
    )
    op.create_table(
        "load_run",
        sa.Column("run_id", sa.String(), nullable=False, comment="the load"),
        sa.Column("batch_id", sa.String(), nullable=False, comment="the landed batch"),
        sa.Column("source_system", sa.String(), nullable=False, comment="connection"),
        sa.Column("source_object", sa.String(), nullable=False, comment="stream"),
        sa.Column("mode", sa.String(), nullable=False, comment="scheduled, backfill or replay"),
        sa.Column("status", sa.String(), nullable=False, comment="loaded, or stopped by the gate"),
        sa.Column(
            "window_start",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="first instant asked for; null: the beginning",
        ),
        sa.Column(
            "window_end", sa.DateTime(timezone=True), nullable=False, comment="first instant not asked for"
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="when the load began"),
        sa.Column(
            "finished_at", sa.DateTime(timezone=True), nullable=False, comment="just before its commit"
        ),
        sa.Column("extracted", sa.BigInteger(), nullable=False, comment="source records read"),
        sa.Column("inserted", sa.BigInteger(), nullable=False, comment="new ones"),
        sa.Column("updated", sa.BigInteger(), nullable=False, comment="known ones that changed"),
        sa.Column("unchanged", sa.BigInteger(), nullable=False, comment="known ones that did not"),
        sa.Column("deleted", sa.BigInteger(), nullable=False, comment="ones that the source has deleted"),
        sa.Column(
            "deduplicated",
            sa.BigInteger(),
            nullable=False,
            comment="ones of which a newer or equal version was there",
        ),
        sa.Column("quarantined", sa.BigInteger(), nullable=False, comment="ones refused"),
        sa.Column(
            "report",
            sa.String(),
            nullable=False,
            comment="JSON: drift, unusable identifiers, gate (no personal data)",
        ),
        sa.Column("plugin_version", sa.String(), nullable=False, comment="of the connector"),
        sa.CheckConstraint(
            "status <> 'loaded' OR extracted = inserted + updated + unchanged + deleted + deduplicated + quarantined",
            name="the_books_balance",
        ),
        comment="the ledger: one row per loaded batch, and the books balance in each",
        info={"kind": "book", "key": ("run_id",)},
    )
    op.create_table(
        "opportunity",
        sa.Column("opportunity_id", sa.String(), nullable=False, comment="the deal"),
        sa.Column("lead_id", sa.String(), nullable=True, comment="the lead it grew from"),
        sa.Column("customer_id", sa.String(), nullable=True, comment="with whom"),
        sa.Column("stage", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=True, comment="in currency_code"),
        sa.Column("currency_code", sa.String(), nullable=False, comment="ISO 4217"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True, comment="when it was opened"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="when it was won or lost"),
        sa.Column("is_won", sa.Boolean(), nullable=True, comment="true won, false lost, null open"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="a deal in the making, or made",
        info={
            "kind": "canonical",
            "key": ("opportunity_id",),
            "event_time": "created_at",
            "in_order": (("created_at", "closed_at"),),
            "parent": ("lead", "lead_id"),
        },
    )
    op.create_table(
        "order_header",
        sa.Column("order_id", sa.String(), nullable=False, comment="the order"),
        sa.Column("touchpoint_id", sa.String(), nullable=True, comment="the purchase as a touchpoint"),
        sa.Column("customer_id", sa.String(), nullable=True, comment="who bought"),
        sa.Column("status", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column(
            "price_total",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="what the customer pays, in currency_code; null: the sum of its lines",
        ),
        sa.Column(
            "discount_amount",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="taken off, in currency_code",
        ),
        sa.Column(
            "tax_amount",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="tax within price_total, in currency_code",
        ),
        sa.Column(
            "refund_total",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="given back so far, in currency_code",
        ),
        sa.Column("currency_code", sa.String(), nullable=False, comment="ISO 4217"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="when it was placed"),
        sa.Column(
            "approved_at", sa.DateTime(timezone=True), nullable=True, comment="when payment was accepted"
        ),
        sa.Column(
            "promised_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="latest delivery promised: the whole of that day counts as kept",
        ),
        sa.Column(
            "shipped_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was handed to the carrier",
        ),
        sa.Column(
            "delivered_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the customer had all of it",
        ),
        sa.Column(
            "cancelled_at", sa.DateTime(timezone=True), nullable=True, comment="when it was called off"
        ),
        sa.Column(
            "is_cancelled",
            sa.Boolean(),
            nullable=True,
            comment="called off, whether or not the source says when",
        ),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one purchase",
        info={
            "kind": "canonical",
            "key": ("order_id",),
            "event_time": "created_at",
            "in_order": (("created_at", "delivered_at"), ("created_at", "cancelled_at")),
            "parent": None,
        },
    )
    op.create_table(
        "order_line",
        sa.Column("order_id", sa.String(), nullable=False, comment="the order"),
        sa.Column("line_no", sa.String(), nullable=False, comment="the line within it"),
        sa.Column("product_id", sa.String(), nullable=True, comment="what was bought"),
        sa.Column("seller_id", sa.String(), nullable=True, comment="who sold it, on a marketplace"),
        sa.Column("quantity", sa.Double(), nullable=True, comment="pieces, or units of measure"),
        sa.Column(
            "unit_price",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="for one, in currency_code",
        ),
        sa.Column(
            "line_total",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="for all of the line, in currency_code",
        ),
        sa.Column(
            "freight_amount",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="carriage charged with the line, in currency_code",
        ),
        sa.Column("currency_code", sa.String(), nullable=False, comment="ISO 4217"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was ordered; null: when the order was",
        ),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one item of a purchase",
        info={
            "kind": "canonical",
            "key": ("order_id", "line_no"),
            "event_time": "created_at",
            "in_order": (),
            "parent": ("order_header", "order_id"),
        },
    )
    op.create_table(
        "organisation",
        sa.Column("organisation_id", sa.String(), nullable=False, comment="the organisation"),
        sa.Column("role", sa.String(), nullable=False, comment="seller, partner, customer"),
        sa.Column("city", sa.String(), nullable=True, comment="where it is"),
        sa.Column("region", sa.String(), nullable=True, comment="state or province"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="a seller, a partner or a business customer",
        info={
            "kind": "canonical",
            "key": ("organisation_id",),
            "event_time": None,
            "in_order": (),
            "parent": None,
        },
    )
    op.create_table(
        "payment",
        sa.Column("payment_id", sa.String(), nullable=False, comment="the payment"),
        sa.Column("order_id", sa.String(), nullable=True, comment="the order"),
        sa.Column(
            "method", sa.String(), nullable=True, comment="card, transfer, voucher, … in the source's words"
        ),
        sa.Column("instalments", sa.Integer(), nullable=True, comment="number of instalments agreed"),
        sa.Column("amount", sa.Numeric(precision=18, scale=4), nullable=True, comment="in currency_code"),
        sa.Column("currency_code", sa.String(), nullable=False, comment="ISO 4217"),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True, comment="when"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one payment towards an order",
        info={
            "kind": "canonical",
            "key": ("payment_id",),
            "event_time": "paid_at",
            "in_order": (),
            "parent": ("order_header", "order_id"),
        },
    )
    op.create_table(
        "pending_identity",
        sa.Column("namespace", sa.String(), nullable=False, comment="of the identifier"),
        sa.Column("identity_hash", sa.String(), nullable=False, comment="its hash"),
        comment="identifiers whose records changed since identity was last resolved",
        info={"kind": "book", "key": ("namespace", "identity_hash")},
    )
    op.create_table(
        "pending_kpi",
        sa.Column("table_name", sa.String(), nullable=False, comment="the canonical table"),
        sa.Column("day", sa.Date(), nullable=True, comment="UTC day of the event; null: rows without a time"),
        comment="days whose rows changed since the KPIs were last computed",
        info={"kind": "book", "key": ("table_name", "day")},
    )
    op.create_table(
        "product",
        sa.Column("product_id", sa.String(), nullable=False, comment="the product"),
        sa.Column("title", sa.String(), nullable=True, comment="its name"),
        sa.Column("category", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one thing that is sold",
        info={
            "kind": "canonical",
            "key": ("product_id",),
            "event_time": None,
            "in_order": (),
            "parent": None,
        },
    )
    op.create_table(
        "quarantine",
        sa.Column(
            "quarantine_id",
            sa.String(),
            nullable=False,
            comment="hash of system, object, key, content and rule",
        ),
        sa.Column("source_system", sa.String(), nullable=False, comment="connection"),
        sa.Column("source_object", sa.String(), nullable=False, comment="stream"),
        sa.Column(
            "source_record_id",
            sa.String(),
            nullable=True,
            comment="the record's key, as far as it could be read",
        ),
        sa.Column("batch_id", sa.String(), nullable=False, comment="the landed batch it is in"),
        sa.Column("row_number", sa.BigInteger(), nullable=False, comment="its row in that batch, from 1"),
        sa.Column("stage", sa.String(), nullable=False, comment="landing, conform or validate"),
        sa.Column("rule", sa.String(), nullable=False, comment="what it broke"),
        sa.Column("column_name", sa.String(), nullable=True, comment="the canonical column at fault"),
        sa.Column("raw_value", sa.String(), nullable=True, comment="the value at fault"),
        sa.Column("payload", sa.String(), nullable=True, comment="the raw record, JSON or text"),
        sa.Column(
            "version_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the refused version, where it could be read",
        ),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, comment="when it was delivered"),
        sa.Column("status", sa.String(), nullable=False, comment="open, replayed, superseded or discarded"),
        sa.Column("reason", sa.String(), nullable=True, comment="why it was discarded"),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False, comment="when"),
        sa.Column(
            "closed_at", sa.DateTime(timezone=True), nullable=True, comment="when it left the quarantine"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote or closed it"),
        comment="source records that were refused, with the reason and the raw record",
        info={"kind": "book", "key": ("quarantine_id",)},
    )
    op.create_table(
        "record_identity",
        sa.Column("source_system", sa.String(), nullable=False, comment="connection"),
        sa.Column("source_object", sa.String(), nullable=False, comment="stream"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record"),
        sa.Column("namespace", sa.String(), nullable=False, comment="of the identifier"),
        sa.Column("identity_hash", sa.String(), nullable=False, comment="keyed hash of the normalised value"),
        sa.Column(
            "identity_value",
            sa.String(),
            nullable=True,
            comment="the value itself, where settings keep it clear",
        ),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), nullable=False, comment="when the record's event happened"
        ),
        comment="the identifiers met in each source record: the edges of the identity graph",
        info={
            "kind": "book",
            "key": ("source_system", "source_object", "source_record_id", "namespace", "identity_hash"),
        },
    )
    op.create_table(
        "refund",
        sa.Column("refund_id", sa.String(), nullable=False, comment="the refund"),
        sa.Column("order_id", sa.String(), nullable=False, comment="the order"),
        sa.Column("is_return", sa.Boolean(), nullable=True, comment="goods came back; null counts as true"),
        sa.Column(
            "refund_total", sa.Numeric(precision=18, scale=4), nullable=True, comment="in currency_code"
        ),
        sa.Column("currency_code", sa.String(), nullable=False, comment="ISO 4217"),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=False, comment="when"),
        sa.Column("reason", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="money or goods that went back",
        info={
            "kind": "canonical",
            "key": ("refund_id",),
            "event_time": "refunded_at",
            "in_order": (),
            "parent": ("order_header", "order_id"),
        },
    )
    op.create_table(
        "review",
        sa.Column("review_id", sa.String(), nullable=False, comment="the review"),
        sa.Column("touchpoint_id", sa.String(), nullable=True, comment="the writing as a touchpoint"),
        sa.Column("item_reviewed_id", sa.String(), nullable=True, comment="what was reviewed"),
        sa.Column("order_id", sa.String(), nullable=True, comment="the order it speaks of"),
        sa.Column("rating_value", sa.Double(), nullable=True, comment="points of its own scale"),
        sa.Column("worst_rating", sa.Double(), nullable=True, comment="that scale's worst end"),
        sa.Column("best_rating", sa.Double(), nullable=True, comment="that scale's best end"),
        sa.Column("review_title", sa.String(), nullable=True, comment="its heading"),
        sa.Column("review_body", sa.String(), nullable=True, comment="what was written"),
        sa.Column("language", sa.String(), nullable=True, comment="BCP 47"),
        sa.Column("date_published", sa.DateTime(timezone=True), nullable=False, comment="when it appeared"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one public rating of an order, a product or the brand",
        info={
            "kind": "canonical",
            "key": ("review_id",),
            "event_time": "date_published",
            "in_order": (),
            "parent": None,
        },
    )
    op.create_table(
        "signal",
        sa.Column("touchpoint_id", sa.String(), nullable=False, comment="the touchpoint"),
        sa.Column("name", sa.String(), nullable=False, comment="sentiment, topic, …"),
        sa.Column("model_version", sa.String(), nullable=False, comment="what computed it"),
        sa.Column("number_value", sa.Double(), nullable=True, comment="its value, where it is a number"),
        sa.Column("string_value", sa.String(), nullable=True, comment="its value, where it is a word"),
        sa.Column("confidence", sa.Double(), nullable=True, comment="0 to 1"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="something computed or noted about a touchpoint: sentiment, topic, flag",
        info={
            "kind": "canonical",
            "key": ("touchpoint_id", "name", "model_version"),
            "event_time": None,
            "in_order": (),
            "parent": None,
        },
    )
    op.create_table(
        "source_record",
        sa.Column("source_system", sa.String(), nullable=False, comment="connection"),
        sa.Column("source_object", sa.String(), nullable=False, comment="stream"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key"),
        sa.Column(
            "version_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="its version, where the stream declares one",
        ),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when that version was delivered",
        ),
        sa.Column("content_hash", sa.String(), nullable=False, comment="of what it became"),
        sa.Column("is_deleted", sa.Boolean(), nullable=False, comment="deleted at the source"),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote it"),
        comment="the registry: one row per source record, with the version that is loaded",
        info={"kind": "book", "key": ("source_system", "source_object", "source_record_id")},
    )
    op.create_table(
        "stream_state",
        sa.Column("source_system", sa.String(), nullable=False, comment="connection"),
        sa.Column("source_object", sa.String(), nullable=False, comment="stream"),
        sa.Column("cursor", sa.String(), nullable=False, comment="JSON, the connector's own"),
        sa.Column(
            "position",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="everything known before this instant is loaded",
        ),
        sa.Column("raw_columns", sa.String(), nullable=False, comment="JSON: the raw shape seen so far"),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that set it"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="when"),
        comment="the cursors",
        info={"kind": "book", "key": ("source_system", "source_object")},
    )
    op.create_table(
        "support_case",
        sa.Column("case_id", sa.String(), nullable=False, comment="the case or ticket"),
        sa.Column("touchpoint_id", sa.String(), nullable=True, comment="the opening as a touchpoint"),
        sa.Column("customer_id", sa.String(), nullable=True, comment="whose it is"),
        sa.Column("order_id", sa.String(), nullable=True, comment="the order it is about"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False, comment="when it was opened"),
        sa.Column(
            "first_reply_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="first public reply of an agent",
        ),
        sa.Column(
            "first_solved_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="first time it was set to solved",
        ),
        sa.Column(
            "last_solved_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="last time it was set to solved",
        ),
        sa.Column("reopens", sa.Integer(), nullable=True, comment="how often it was opened again"),
        sa.Column("public_replies", sa.Integer(), nullable=True, comment="public replies of agents"),
        sa.Column("priority", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column("reason", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column("status", sa.String(), nullable=True, comment="in the source's words"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one request for help, however many contacts it takes",
        info={
            "kind": "canonical",
            "key": ("case_id",),
            "event_time": "opened_at",
            "in_order": (
                ("opened_at", "first_reply_at"),
                ("opened_at", "first_solved_at"),
                ("first_solved_at", "last_solved_at"),
            ),
            "parent": None,
        },
    )
    op.create_table(
        "survey_response",
        sa.Column("response_id", sa.String(), nullable=False, comment="one filled-in survey"),
        sa.Column("question_id", sa.String(), nullable=False, comment="one question of it"),
        sa.Column("touchpoint_id", sa.String(), nullable=True, comment="the answering as a touchpoint"),
        sa.Column("metric_type", sa.String(), nullable=False, comment="nps, csat, ces, …"),
        sa.Column(
            "rating_value", sa.Double(), nullable=True, comment="the answer, in points of its own scale"
        ),
        sa.Column("worst_rating", sa.Double(), nullable=True, comment="that scale's worst end"),
        sa.Column("best_rating", sa.Double(), nullable=True, comment="that scale's best end"),
        sa.Column(
            "weight", sa.Double(), nullable=True, comment="survey weight of the respondent; null counts as 1"
        ),
        sa.Column("response_text", sa.String(), nullable=True, comment="what was written"),
        sa.Column(
            "invited_at", sa.DateTime(timezone=True), nullable=True, comment="when the survey was sent"
        ),
        sa.Column("responded_at", sa.DateTime(timezone=True), nullable=False, comment="when it was answered"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one answer to one question of a survey",
        info={
            "kind": "canonical",
            "key": ("response_id", "question_id"),
            "event_time": "responded_at",
            "in_order": (("invited_at", "responded_at"),),
            "parent": None,
        },
    )
    op.create_table(
        "touchpoint",
        sa.Column(
            "touchpoint_id",
            sa.String(),
            nullable=False,
            comment="hash of system, object, record and activity",
        ),
        sa.Column(
            "occurred_at", sa.DateTime(timezone=True), nullable=False, comment="when it happened, or began"
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="when it ended"),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the source system learned of it",
        ),
        sa.Column("customer_id", sa.String(), nullable=True, comment="who it was, once identity is resolved"),
        sa.Column(
            "anonymous_id",
            sa.String(),
            nullable=True,
            comment="a device or session, where no person is known",
        ),
        sa.Column("agent_id", sa.String(), nullable=True, comment="who acted for the brand"),
        sa.Column("activity", sa.String(), nullable=False, comment="what happened: verb_noun, past tense"),
        sa.Column(
            "channel",
            sa.String(),
            nullable=False,
            comment="phone, email, chat, web, app, store, mail, social, …",
        ),
        sa.Column(
            "direction",
            sa.String(),
            nullable=True,
            comment="inbound: from the customer; outbound: to the customer",
        ),
        sa.Column(
            "journey_stage", sa.String(), nullable=True, comment="before, during or after the purchase"
        ),
        sa.Column(
            "control",
            sa.String(),
            nullable=True,
            comment="owned: the brand rules the place; external: it does not",
        ),
        sa.Column(
            "conversation_id",
            sa.String(),
            nullable=True,
            comment="what groups the touchpoints of one exchange",
        ),
        sa.Column("case_id", sa.String(), nullable=True, comment="the support case it belongs to"),
        sa.Column("order_id", sa.String(), nullable=True, comment="the order it belongs to"),
        sa.Column(
            "reason", sa.String(), nullable=True, comment="why the customer came, in the source's words"
        ),
        sa.Column(
            "revenue_impact",
            sa.Numeric(precision=18, scale=4),
            nullable=True,
            comment="money gained (+) or lost (−) through it",
        ),
        sa.Column("currency_code", sa.String(), nullable=True, comment="ISO 4217, of revenue_impact"),
        sa.Column("source_system", sa.String(), nullable=False, comment="the connection it came through"),
        sa.Column("source_object", sa.String(), nullable=False, comment="the stream of that connection"),
        sa.Column("source_record_id", sa.String(), nullable=False, comment="the record's key in its stream"),
        sa.Column(
            "is_deleted", sa.Boolean(), nullable=False, comment="whether the source has deleted the record"
        ),
        sa.Column("run_id", sa.String(), nullable=False, comment="the load that wrote this row"),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="when that was"),
        comment="one interaction between a person and a brand",
        info={
            "kind": "canonical",
            "key": ("touchpoint_id",),
            "event_time": "occurred_at",
            "in_order": (("occurred_at", "ended_at"),),
            "parent": None,
        },
    )


def downgrade() -> None:
    for name in (
        "touchpoint",
        "survey_response",
        "support_case",
        "stream_state",
        "source_record",
        "signal",
        "review",
        "refund",
        "record_identity",
        "quarantine",
        "product",
        "pending_kpi",
        "pending_identity",
        "payment",
        "organisation",
        "order_line",
        "order_header",
        "opportunity",
        "load_run",
        "lead",
        "kpi_value",
        "kpi_definition",
        "interaction",
        "delivery",
        "customer_profile",
        "customer_identity",
        "customer",
        "case_status_history",
    ):
        op.drop_table(name)
