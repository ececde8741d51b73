-- How far each stream of each source is loaded, when, and with what result.
WITH stream AS (
    SELECT source_system, source_object FROM load_run
    UNION
    SELECT source_system, source_object FROM stream_state
),
loaded AS (
    SELECT source_system, source_object, count(*) AS loads, max(finished_at) AS finished_at
    FROM load_run
    WHERE status = 'loaded'
    GROUP BY source_system, source_object
),
ranked AS (
    SELECT
        source_system,
        source_object,
        status,
        row_number() OVER (PARTITION BY source_system, source_object ORDER BY finished_at DESC, run_id) AS place
    FROM load_run
),
refused AS (
    SELECT source_system, source_object, count(*) AS records
    FROM (SELECT DISTINCT source_system, source_object, batch_id, row_number FROM quarantine WHERE status = 'open') AS record
    GROUP BY source_system, source_object
)
SELECT
    n.source_system, -- connection
    n.source_object, -- stream
    s.position,
    timezone({zone}, s.position) AS position_local,
    s.known_until,
    timezone({zone}, s.known_until) AS known_until_local,
    l.finished_at AS loaded_at, -- when the last load ended; null: none did
    timezone({zone}, l.finished_at) AS loaded_at_local, -- when the last load ended, local time
    k.status AS last_status, -- of the newest batch: loaded, or stopped (by the gate)
    coalesce(l.loads, 0) AS loads, -- batches loaded so far
    coalesce(q.records, 0) AS quarantine_open, -- records in quarantine now
    s.run_id,
    s.updated_at
FROM stream AS n
LEFT JOIN stream_state AS s ON s.source_system = n.source_system AND s.source_object = n.source_object
LEFT JOIN loaded AS l ON l.source_system = n.source_system AND l.source_object = n.source_object
LEFT JOIN ranked AS k ON k.source_system = n.source_system AND k.source_object = n.source_object AND k.place = 1
LEFT JOIN refused AS q ON q.source_system = n.source_system AND q.source_object = n.source_object
