-- Every payment towards an order, with the order's customer. Amounts are in the payment's own currency.
SELECT
    p.payment_id,
    p.order_id,
    o.touchpoint_id,
    o.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when they ordered, in the source's words
    t.channel,
    p.method,
    p.instalments,
    p.amount,
    p.currency_code,
    p.paid_at,
    timezone({zone}, p.paid_at) AS paid_at_local,
    p.source_system
FROM payment AS p
LEFT JOIN order_header AS o ON o.order_id = p.order_id AND NOT o.is_deleted
LEFT JOIN touchpoint AS t ON t.touchpoint_id = o.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = o.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = o.customer_id AND o.created_at >= w.valid_from AND o.created_at < w.valid_to
WHERE NOT p.is_deleted
