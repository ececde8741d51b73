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
    c.segment,
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
WHERE NOT i.is_deleted
