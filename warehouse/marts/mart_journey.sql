-- Each customer's touchpoints in order, and how each was for the customer. Touchpoints without a known customer are in no journey.
SELECT
    t.customer_id,
    row_number() OVER journey AS step, -- its place in the customer's journey, from 1
    t.touchpoint_id,
    t.occurred_at,
    timezone({zone}, t.occurred_at) AS occurred_at_local,
    CAST(extract(EPOCH FROM t.occurred_at - lag(t.occurred_at) OVER journey) AS double precision) AS seconds_since_previous, -- time since the customer's touchpoint before; null for the first
    t.activity,
    lag(t.activity) OVER journey AS previous_activity, -- what the customer did or met before
    t.channel,
    lag(t.channel) OVER journey AS previous_channel, -- the channel of the touchpoint before
    t.direction,
    coalesce(j.journey_stage, t.journey_stage) AS journey_stage, -- before, during or after, relative to the customer's own orders; or unknown
    coalesce(j.control, t.control) AS control, -- owned: the brand controls the place; external: it does not
    j.polarity,
    j.intensity,
    t.reason,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's at that time, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's at that time, ISO 3166-1 alpha-2
    t.conversation_id,
    t.case_id,
    t.order_id,
    t.source_system
FROM touchpoint AS t
LEFT JOIN touchpoint_judgement AS j ON j.judgement_id = t.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = t.customer_id AND t.occurred_at >= w.valid_from AND t.occurred_at < w.valid_to
WHERE NOT t.is_deleted AND t.customer_id IS NOT NULL
WINDOW journey AS (PARTITION BY t.customer_id ORDER BY t.occurred_at, t.touchpoint_id)
