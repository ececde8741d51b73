-- Every interaction of the contact centre, with its customer.
SELECT
    i.interaction_id,
    i.queue_id,
    i.agent_id,
    i.offered_at,
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
    t.channel,
    t.reason,
    i.source_system
FROM interaction AS i
LEFT JOIN touchpoint AS t ON t.touchpoint_id = i.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
WHERE NOT i.is_deleted
