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
    c.segment,
    c.country,
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
WHERE NOT t.is_deleted
