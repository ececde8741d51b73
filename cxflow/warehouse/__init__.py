"""Data at rest once it is loaded: tables, revisions, transactions, the ledger, and the engines that hold them."""
