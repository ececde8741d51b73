-- What each touchpoint, late delivery or reopened case was to the customer: stage, control, and whether it was good or bad.
SELECT
    j.judgement_id,
    j.touchpoint_id,
    j.occurred_at,
    timezone({zone}, j.occurred_at) AS occurred_at_local,
    j.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's at that time, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's at that time, ISO 3166-1 alpha-2
    j.order_id,
    j.case_id,
    j.activity,
    j.channel,
    j.journey_stage,
    j.control,
    j.polarity,
    j.intensity,
    j.rule,
    j.is_counted,
    j.source_system
FROM touchpoint_judgement AS j
LEFT JOIN customer AS c ON c.customer_id = j.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = j.customer_id AND j.occurred_at >= w.valid_from AND j.occurred_at < w.valid_to
