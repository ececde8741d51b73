"""Loaded data: tables, revisions, transactions, the ledger, and the database engines."""
