-- Every refund or return, with its order and the order's customer. Amounts are in the refund's own currency.
SELECT
    r.refund_id,
    r.order_id,
    o.touchpoint_id,
    o.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when they ordered, in the source's words
    t.channel,
    coalesce(r.is_return, TRUE) AS is_return, -- whether goods were returned
    r.refund_total,
    r.currency_code,
    r.reason,
    r.refunded_at,
    timezone({zone}, r.refunded_at) AS refunded_at_local,
    o.created_at AS ordered_at, -- when the order was placed
    timezone({zone}, o.created_at) AS ordered_at_local, -- when the order was placed, local time
    r.source_system
FROM refund AS r
LEFT JOIN order_header AS o ON o.order_id = r.order_id AND NOT o.is_deleted
LEFT JOIN touchpoint AS t ON t.touchpoint_id = o.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = o.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = o.customer_id AND o.created_at >= w.valid_from AND o.created_at < w.valid_to
WHERE NOT r.is_deleted
