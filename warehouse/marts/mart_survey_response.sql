-- Every answer to a question of a survey, with its customer and the touchpoint that it speaks of: of the same conversation the last one before the answer, else of the same case, else the purchase of the same order.
WITH answer AS (
    SELECT t.touchpoint_id, t.conversation_id, t.case_id, t.order_id, t.occurred_at
    FROM touchpoint AS t
    WHERE NOT t.is_deleted
      AND t.touchpoint_id IN (SELECT touchpoint_id FROM survey_response WHERE NOT is_deleted)
),
subject AS (
    SELECT a.touchpoint_id AS answer_id, 'conversation' AS link, 1 AS preference, t.touchpoint_id, t.occurred_at
    FROM answer AS a
    INNER JOIN touchpoint AS t ON t.conversation_id = a.conversation_id
    WHERE NOT t.is_deleted AND t.occurred_at <= a.occurred_at AND t.activity NOT IN ('answered_survey', 'left_survey')
    UNION ALL
    SELECT a.touchpoint_id, 'case', 2, t.touchpoint_id, t.occurred_at
    FROM answer AS a
    INNER JOIN touchpoint AS t ON t.case_id = a.case_id
    WHERE NOT t.is_deleted AND t.occurred_at <= a.occurred_at AND t.activity NOT IN ('answered_survey', 'left_survey')
    UNION ALL
    SELECT a.touchpoint_id, 'order', 3, t.touchpoint_id, t.occurred_at
    FROM answer AS a
    INNER JOIN order_header AS o ON o.order_id = a.order_id AND NOT o.is_deleted
    INNER JOIN touchpoint AS t ON t.touchpoint_id = o.touchpoint_id AND NOT t.is_deleted
),
ranked AS (
    SELECT
        answer_id,
        link,
        touchpoint_id,
        row_number() OVER (PARTITION BY answer_id ORDER BY preference, occurred_at DESC, touchpoint_id) AS place
    FROM subject
)
SELECT
    s.response_id,
    s.question_id,
    s.touchpoint_id,
    s.metric_type,
    s.rating_value,
    s.worst_rating,
    s.best_rating,
    s.weight,
    s.response_text IS NOT NULL AS has_text, -- whether the customer's own words are known; they are not shown
    s.invited_at,
    s.responded_at,
    timezone({zone}, s.responded_at) AS responded_at_local,
    t.customer_id,
    CASE WHEN w.customer_id IS NULL THEN c.segment ELSE w.segment END AS segment, -- the customer's when they answered, in the source's words
    CASE WHEN w.customer_id IS NULL THEN c.country ELSE w.country END AS country, -- the customer's when they answered, ISO 3166-1 alpha-2
    t.channel AS survey_channel, -- the channel of answering: e-mail, whatever the survey is about
    b.touchpoint_id AS about_touchpoint_id, -- the touchpoint that the answer speaks of, if one is known
    r.link AS about_link, -- what the two share: conversation, case or order
    b.occurred_at AS about_occurred_at, -- when that touchpoint happened or began
    b.activity AS about_activity, -- what happened there
    b.channel AS about_channel, -- its channel: the one that the answer speaks of
    b.agent_id AS about_agent_id, -- the agent who acted there
    b.reason AS about_reason, -- why the customer made contact there, in the source's words
    t.case_id,
    t.order_id,
    s.source_system
FROM survey_response AS s
LEFT JOIN touchpoint AS t ON t.touchpoint_id = s.touchpoint_id
LEFT JOIN customer AS c ON c.customer_id = t.customer_id
LEFT JOIN customer_history AS w
    ON w.customer_id = t.customer_id AND s.responded_at >= w.valid_from AND s.responded_at < w.valid_to
LEFT JOIN ranked AS r ON r.answer_id = s.touchpoint_id AND r.place = 1
LEFT JOIN touchpoint AS b ON b.touchpoint_id = r.touchpoint_id
WHERE NOT s.is_deleted
