-- Every order with its customer. Amounts are in the order's own currency.
WITH returned AS (
    SELECT DISTINCT order_id FROM refund WHERE NOT is_deleted AND coalesce(is_return, TRUE)
)
SELECT
    o.order_id,
    o.touchpoint_id,
    o.customer_id,
    row_number() OVER (PARTITION BY coalesce(o.customer_id, o.order_id) ORDER BY o.created_at, o.order_id) AS customer_order_no, -- 1: the customer's first order; an order without a known customer is the first
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when they ordered, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's when they ordered, ISO 3166-1 alpha-2
    t.channel,
    o.status,
    o.price_total,
    o.discount_amount,
    o.tax_amount,
    o.refund_total,
    o.currency_code,
    o.created_at,
    timezone({zone}, o.created_at) AS created_at_local,
    o.promised_at,
    timezone({zone}, o.promised_at) AS promised_at_local,
    o.shipped_at,
    timezone({zone}, o.shipped_at) AS shipped_at_local,
    o.delivered_at,
    timezone({zone}, o.delivered_at) AS delivered_at_local,
    coalesce(o.is_cancelled, o.cancelled_at IS NOT NULL) AS is_cancelled, -- whether it was cancelled
    o.cancelled_at,
    r.order_id IS NOT NULL AS is_returned, -- whether goods of it were returned so far
    o.source_system
FROM order_header AS o
LEFT JOIN touchpoint AS t ON t.touchpoint_id = o.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = o.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = o.customer_id AND o.created_at >= w.valid_from AND o.created_at < w.valid_to
LEFT JOIN returned AS r ON r.order_id = o.order_id
WHERE NOT o.is_deleted
