"""Loads passed rows, quarantine, cursor and ledger row into the warehouse, in ONE transaction per batch."""
