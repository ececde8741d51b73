-- The states of every support case over time, with its customer.
SELECT
    h.case_id,
    s.touchpoint_id,
    s.customer_id,
    h.valid_from,
    timezone({zone}, h.valid_from) AS valid_from_local,
    h.valid_to,
    timezone({zone}, h.valid_to) AS valid_to_local,
    h.status,
    h.agent_id,
    h.source_system
FROM case_status_history AS h
LEFT JOIN support_case AS s ON s.case_id = h.case_id AND NOT s.is_deleted
WHERE NOT h.is_deleted
