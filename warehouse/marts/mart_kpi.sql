-- The current value of every KPI: the latest one published for each period and slice that has events, of its newest version.
SELECT
    v.kpi,
    v.version,
    d.title,
    d.title_es,
    d.description,
    d.description_es,
    d.unit,
    d.decimals,
    CASE WHEN d.unit = 'share' THEN ',.' || d.decimals || '%' ELSE ',.' || d.decimals || 'f' END AS number_format, -- how to show a value, as a d3 format
    d.better,
    d.lowest,
    d.highest,
    v.grain,
    v.period_start,
    v.dimension,
    v.dimension_value,
    v.value,
    v.ci_low,
    v.ci_high,
    v.interval_note,
    v.n,
    v.customers,
    v.effective_n,
    v.left_out,
    v.numerator,
    v.denominator,
    v.squared_deviation,
    v.cubed_deviation,
    v.is_suppressed,
    v.is_complete,
    c.complete_until,
    v.as_of,
    v.restated_because,
    s.status,
    s.reason AS status_reason -- why it failed or has no events
FROM kpi_value AS v
INNER JOIN kpi_definition AS d ON d.kpi = v.kpi AND d.version = v.version
LEFT JOIN kpi_status AS s ON s.kpi = v.kpi AND s.version = v.version
LEFT JOIN kpi_complete AS c ON c.kpi = v.kpi AND c.version = v.version AND c.source = ''
WHERE (v.n > 0 OR v.left_out > 0 OR v.numerator <> 0)
AND NOT EXISTS (
    SELECT 1
    FROM kpi_definition AS newer
    WHERE newer.kpi = v.kpi
      AND newer.version > v.version
)
AND NOT EXISTS (
    SELECT 1
    FROM kpi_value AS later
    WHERE later.kpi = v.kpi
      AND later.version = v.version
      AND later.grain = v.grain
      AND later.period_start = v.period_start
      AND later.dimension = v.dimension
      AND later.dimension_value = v.dimension_value
      AND later.as_of > v.as_of
)
