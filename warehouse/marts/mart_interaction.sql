-- Every interaction of the contact centre, in each queue that it was offered to, with its customer.
SELECT
    i.interaction_id,
    i.touchpoint_id,
    i.queue_id,
    i.agent_id,
    i.offered_at,
    timezone({zone}, i.offered_at) AS offered_at_local,
    i.answered_at,
    i.abandoned_at,
    i.ended_at,
    i.wait_seconds,
    i.talk_seconds,
    i.hold_seconds,
    i.acw_seconds,
    i.transfer_count,
    i.outcome,
    t.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's at that time, in the source's words
    t.activity,
    t.channel,
    t.direction,
    t.reason,
    t.conversation_id,
    t.case_id,
    t.order_id,
    i.source_system
FROM interaction AS i
LEFT JOIN touchpoint AS t ON t.touchpoint_id = i.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = t.customer_id AND i.offered_at >= w.valid_from AND i.offered_at < w.valid_to
WHERE NOT i.is_deleted
