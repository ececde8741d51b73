-- The definition of each KPI, how to show it, and whether it could be computed.
SELECT
    d.kpi,
    d.version,
    d.title,
    d.title_es,
    d.description,
    d.description_es,
    d.formula,
    d.formula_es,
    d.unit,
    d.decimals,
    CASE WHEN d.unit = 'share' THEN ',.' || d.decimals || '%' ELSE ',.' || d.decimals || 'f' END AS number_format, -- how to show a value, as a d3 format
    d.better,
    d.lowest,
    d.highest,
    d.interval_method,
    s.status,
    s.reason AS status_reason, -- why it failed or has no events
    s.since AS status_since -- when it came to this status
FROM kpi_definition AS d
LEFT JOIN kpi_status AS s ON s.kpi = d.kpi AND s.version = d.version
