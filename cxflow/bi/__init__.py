"""Files for BI tools: an import bundle for Superset, semantic models. Called by `cxflow bi`.

They read the published views alone. What they say of a KPI (title, format, how its values add up) comes from its
declaration.
"""
