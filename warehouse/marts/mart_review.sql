-- Every review with its order. Reviews dated before their order are kept and flagged.
SELECT
    r.review_id,
    r.order_id,
    r.rating_value,
    r.worst_rating,
    r.best_rating,
    r.date_published,
    o.created_at AS ordered_at,
    o.delivered_at,
    coalesce(r.date_published < o.created_at, FALSE) AS is_before_purchase,
    t.customer_id,
    c.segment,
    t.channel,
    r.source_system
FROM review AS r
LEFT JOIN touchpoint AS t ON t.touchpoint_id = r.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
LEFT JOIN order_header AS o ON o.order_id = r.order_id AND NOT o.is_deleted
WHERE NOT r.is_deleted
