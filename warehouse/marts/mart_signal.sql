-- What was computed or recorded about a touchpoint (sentiment, topic, a project's own attributes), with the touchpoint.
SELECT
    s.touchpoint_id,
    t.occurred_at,
    timezone({zone}, t.occurred_at) AS occurred_at_local,
    s.name,
    s.model_version,
    s.number_value,
    s.string_value,
    s.confidence,
    t.activity,
    t.channel,
    t.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's at the touchpoint, in the source's words
    s.source_system
FROM signal AS s
INNER JOIN touchpoint AS t ON t.touchpoint_id = s.touchpoint_id AND NOT t.is_deleted
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = t.customer_id AND t.occurred_at >= w.valid_from AND t.occurred_at < w.valid_to
WHERE NOT s.is_deleted
