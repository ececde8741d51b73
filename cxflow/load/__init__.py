"""Passed rows, quarantine, cursor and ledger into the warehouse, in ONE transaction per batch."""
