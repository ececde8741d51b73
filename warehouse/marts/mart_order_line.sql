-- Every item of every order, with its product, its seller and the order's customer. Amounts are in the line's own currency.
WITH returned AS (
    SELECT DISTINCT order_id FROM refund WHERE NOT is_deleted AND coalesce(is_return, TRUE)
)
SELECT
    l.order_id,
    l.line_no,
    o.touchpoint_id,
    o.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when they ordered, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's when they ordered, ISO 3166-1 alpha-2
    t.channel,
    l.product_id,
    p.title AS product_title,
    p.category AS product_category,
    l.seller_id,
    s.city AS seller_city, -- where the seller is
    s.region AS seller_region, -- state or province of the seller
    l.quantity,
    l.quantity_delivered,
    l.unit_price,
    l.line_total,
    l.freight_amount,
    l.currency_code,
    coalesce(l.created_at, o.created_at) AS created_at, -- when it was ordered
    timezone({zone}, coalesce(l.created_at, o.created_at)) AS created_at_local, -- when it was ordered, local time
    coalesce(o.is_cancelled, o.cancelled_at IS NOT NULL, FALSE) AS is_cancelled, -- whether the order was cancelled
    r.order_id IS NOT NULL AS is_order_returned, -- whether goods of its order were returned so far: sources do not say which
    l.source_system
FROM order_line AS l
LEFT JOIN order_header AS o ON o.order_id = l.order_id AND NOT o.is_deleted
LEFT JOIN touchpoint AS t ON t.touchpoint_id = o.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = o.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = o.customer_id AND o.created_at >= w.valid_from AND o.created_at < w.valid_to
LEFT JOIN product AS p ON p.product_id = l.product_id AND NOT p.is_deleted
LEFT JOIN organisation AS s ON s.organisation_id = l.seller_id AND NOT s.is_deleted
LEFT JOIN returned AS r ON r.order_id = l.order_id
WHERE NOT l.is_deleted
