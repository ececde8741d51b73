-- Up to when each KPI is complete, by source: what a period that is still open waits for.
SELECT
    c.kpi,
    c.version,
    c.source,
    c.complete_until,
    timezone({zone}, c.complete_until) AS complete_until_local
FROM kpi_complete AS c
