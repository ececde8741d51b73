-- Every review with its order and its product. Reviews dated before their order are kept and flagged.
SELECT
    r.review_id,
    r.touchpoint_id,
    r.order_id,
    r.item_reviewed_id,
    p.title AS product_title,
    p.category AS product_category,
    r.rating_value,
    r.worst_rating,
    r.best_rating,
    r.language,
    coalesce(r.review_title, r.review_body) IS NOT NULL AS has_text, -- whether the customer's own words are known; they are not shown
    r.date_published,
    timezone({zone}, r.date_published) AS date_published_local,
    o.created_at AS ordered_at, -- when the order was placed
    o.delivered_at,
    coalesce(r.date_published < o.created_at, FALSE) AS is_before_purchase, -- whether it is dated before its order
    t.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when it was published, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's when it was published, ISO 3166-1 alpha-2
    t.channel,
    r.source_system
FROM review AS r
LEFT JOIN touchpoint AS t ON t.touchpoint_id = r.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = t.customer_id AND r.date_published >= w.valid_from AND r.date_published < w.valid_to
LEFT JOIN order_header AS o ON o.order_id = r.order_id AND NOT o.is_deleted
LEFT JOIN product AS p ON p.product_id = r.item_reviewed_id AND NOT p.is_deleted
WHERE NOT r.is_deleted
