-- Every touchpoint that is not deleted, with its customer.
SELECT
    t.touchpoint_id,
    t.occurred_at,
    t.ended_at,
    t.activity,
    t.channel,
    t.direction,
    t.journey_stage,
    t.control,
    t.reason,
    t.customer_id,
    c.segment,
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
