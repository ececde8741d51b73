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
    c.segment,
    s.source_system
FROM signal AS s
INNER JOIN touchpoint AS t ON t.touchpoint_id = s.touchpoint_id AND NOT t.is_deleted
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
WHERE NOT s.is_deleted
