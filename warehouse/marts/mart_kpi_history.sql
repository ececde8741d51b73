-- Every KPI value that was ever published: what was known then. mart_kpi has the current ones.
SELECT
    v.*
FROM kpi_value AS v
