-- Every support case, with its customer and the channel in which it was opened.
SELECT
    s.case_id,
    s.touchpoint_id,
    s.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when it was opened, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's when it was opened, ISO 3166-1 alpha-2
    s.order_id,
    t.channel,
    t.agent_id,
    s.opened_at,
    timezone({zone}, s.opened_at) AS opened_at_local,
    s.first_reply_at,
    timezone({zone}, s.first_reply_at) AS first_reply_at_local,
    s.first_solved_at,
    timezone({zone}, s.first_solved_at) AS first_solved_at_local,
    s.last_solved_at,
    timezone({zone}, s.last_solved_at) AS last_solved_at_local,
    s.reopens,
    s.public_replies,
    s.priority,
    s.reason,
    s.status,
    s.opening_text IS NOT NULL AS has_text, -- whether the customer's own words are known; they are not shown
    s.source_system
FROM support_case AS s
LEFT JOIN touchpoint AS t ON t.touchpoint_id = s.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = s.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = s.customer_id AND s.opened_at >= w.valid_from AND s.opened_at < w.valid_to
WHERE NOT s.is_deleted
