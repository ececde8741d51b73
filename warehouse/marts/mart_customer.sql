-- Every customer, without anything that names them.
WITH profile AS (
    SELECT
        customer_id,
        count(*) AS profiles,
        max(CASE WHEN email IS NOT NULL THEN 1 ELSE 0 END) AS emails,
        max(CASE WHEN phone IS NOT NULL THEN 1 ELSE 0 END) AS phones
    FROM customer_profile
    WHERE NOT is_deleted
    GROUP BY customer_id
)
SELECT
    c.customer_id,
    c.segment,
    c.country,
    c.consent,
    c.first_seen_at,
    timezone({zone}, c.first_seen_at) AS first_seen_at_local,
    c.last_seen_at,
    timezone({zone}, c.last_seen_at) AS last_seen_at_local,
    coalesce(p.profiles, 0) AS profiles, -- records of sources about this person
    coalesce(p.emails, 0) = 1 AS has_email, -- whether an e-mail address is known
    coalesce(p.phones, 0) = 1 AS has_phone -- whether a telephone number is known
FROM customer AS c
LEFT JOIN profile AS p ON p.customer_id = c.customer_id
WHERE c.merged_into_id IS NULL
