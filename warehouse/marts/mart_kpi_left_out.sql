-- How many events of each day each KPI leaves out, and why.
SELECT
    l.*
FROM kpi_left_out AS l
