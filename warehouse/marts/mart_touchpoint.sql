-- Every touchpoint that is not deleted, with its customer.
SELECT
    t.touchpoint_id,
    t.occurred_at,
    timezone({zone}, t.occurred_at) AS occurred_at_local,
    t.ended_at,
    timezone({zone}, t.ended_at) AS ended_at_local,
    t.activity,
    t.channel,
    t.direction,
    t.activity IN {support_activities} AND coalesce(t.direction, 'inbound') <> 'outbound' AS is_support_contact, -- whether the customer asked for help, as contact rate and first contact resolution count it
    t.journey_stage,
    t.control,
    t.reason,
    t.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's at that time, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's at that time, ISO 3166-1 alpha-2
    t.agent_id,
    t.conversation_id,
    t.case_id,
    t.order_id,
    t.revenue_impact,
    t.currency_code,
    t.source_system,
    t.source_object
FROM touchpoint AS t
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = t.customer_id AND t.occurred_at >= w.valid_from AND t.occurred_at < w.valid_to
WHERE NOT t.is_deleted
