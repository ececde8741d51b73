-- Every record that was refused, with each rule that it broke, and without anything of the record itself.
SELECT
    q.quarantine_id,
    q.source_system,
    q.source_object,
    q.batch_id,
    q.row_number,
    q.stage,
    q.rule,
    q.column_name,
    q.received_at,
    timezone({zone}, q.received_at) AS received_at_local,
    q.status,
    q.first_seen_at,
    q.closed_at
FROM quarantine AS q
