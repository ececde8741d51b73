-- Every lead, with its customer and what became of it.
WITH deal AS (
    SELECT lead_id, count(*) AS opportunities, max(CASE WHEN is_won THEN 1 ELSE 0 END) AS wins
    FROM opportunity
    WHERE NOT is_deleted
    GROUP BY lead_id
)
SELECT
    l.lead_id,
    l.touchpoint_id,
    l.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when they became a lead, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's when they became a lead, ISO 3166-1 alpha-2
    l.origin,
    t.channel,
    l.stage,
    l.created_at,
    timezone({zone}, l.created_at) AS created_at_local,
    coalesce(d.opportunities, 0) AS opportunities, -- deals that came of it, open or closed
    coalesce(d.wins, 0) = 1 AS is_won, -- whether one of them was won
    l.source_system
FROM lead AS l
LEFT JOIN touchpoint AS t ON t.touchpoint_id = l.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = l.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = l.customer_id AND l.created_at >= w.valid_from AND l.created_at < w.valid_to
LEFT JOIN deal AS d ON d.lead_id = l.lead_id
WHERE NOT l.is_deleted
