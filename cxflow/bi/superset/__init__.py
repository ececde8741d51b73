"""The import bundle for Superset: a database, datasets on the marts, charts, one dashboard.

Each object has a UUID that follows from the project's name and its own, so that importing a later bundle updates what
an earlier one made.
"""
