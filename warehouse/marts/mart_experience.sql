-- What each touchpoint, late delivery or reopened case was to the customer: stage, control, and whether it was good or bad.
SELECT
    j.judgement_id,
    j.touchpoint_id,
    j.occurred_at,
    timezone({zone}, j.occurred_at) AS occurred_at_local,
    j.customer_id,
    c.segment,
    c.country,
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
