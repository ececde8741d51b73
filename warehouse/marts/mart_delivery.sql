-- Every parcel, with its order and the order's customer.
SELECT
    d.delivery_id,
    d.order_id,
    o.touchpoint_id,
    o.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when they ordered, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's when they ordered, ISO 3166-1 alpha-2
    t.channel,
    d.carrier,
    o.created_at AS ordered_at, -- when the order was placed
    timezone({zone}, o.created_at) AS ordered_at_local, -- when the order was placed, local time
    d.shipped_at,
    timezone({zone}, d.shipped_at) AS shipped_at_local,
    d.promised_at,
    timezone({zone}, d.promised_at) AS promised_at_local,
    d.delivered_at,
    timezone({zone}, d.delivered_at) AS delivered_at_local,
    d.source_system
FROM delivery AS d
LEFT JOIN order_header AS o ON o.order_id = d.order_id AND NOT o.is_deleted
LEFT JOIN touchpoint AS t ON t.touchpoint_id = o.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = o.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = o.customer_id AND o.created_at >= w.valid_from AND o.created_at < w.valid_to
WHERE NOT d.is_deleted
