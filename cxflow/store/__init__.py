"""The shore of the data at rest: the landing zone, and the warehouse with its ledger."""
