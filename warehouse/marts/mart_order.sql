-- Every order with its customer. Amounts are in the order's own currency.
SELECT
    o.order_id,
    o.customer_id,
    c.segment,
    t.channel,
    o.status,
    o.price_total,
    o.discount_amount,
    o.tax_amount,
    o.refund_total,
    o.currency_code,
    o.created_at,
    o.promised_at,
    o.shipped_at,
    o.delivered_at,
    coalesce(o.is_cancelled, o.cancelled_at IS NOT NULL) AS is_cancelled,
    o.cancelled_at,
    o.source_system
FROM order_header AS o
LEFT JOIN touchpoint AS t ON t.touchpoint_id = o.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = o.customer_id
WHERE NOT o.is_deleted
