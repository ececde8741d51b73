-- Every deal, with its customer and the lead that it came from. Amounts are in the deal's own currency.
SELECT
    p.opportunity_id,
    p.lead_id,
    l.touchpoint_id,
    l.origin,
    p.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when it was closed, in the source's words; of an open deal, the present one
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's when it was closed, ISO 3166-1 alpha-2; of an open deal, the present one
    p.stage,
    p.amount,
    p.currency_code,
    p.created_at,
    timezone({zone}, p.created_at) AS created_at_local,
    p.closed_at,
    timezone({zone}, p.closed_at) AS closed_at_local,
    p.is_won,
    p.source_system
FROM opportunity AS p
LEFT JOIN lead AS l ON l.lead_id = p.lead_id AND NOT l.is_deleted
LEFT JOIN customer AS c ON c.customer_id = p.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = p.customer_id AND p.closed_at >= w.valid_from AND p.closed_at < w.valid_to
WHERE NOT p.is_deleted
