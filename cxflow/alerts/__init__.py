"""What somebody should look at: a stopped gate, a late stream, an odd volume, many refusals, a changed or late KPI.

`find` reads it from the ledger, the cursors and the published values; `watch` remembers since when, and what was told.
"""
