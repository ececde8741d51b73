-- When these marts were read: in a snapshot, when it was taken; in the warehouse itself, now.
SELECT
    now() AS taken_at, -- when these marts were read
    timezone({zone}, now()) AS taken_at_local, -- when these marts were read, local time
    {zone} AS reporting_zone, -- time zone of the local times and of the periods of KPIs
    v.version_num AS revision -- revision of the warehouse's tables
FROM cxflow_version AS v
