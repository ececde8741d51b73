"""A small invented company whose customer-experience data is known to the last record, and the command
`cxflow demo`.

`simulation.generate` writes the exports of its six systems as they would really arrive (daily, untidy, some
of it wrong) and, separately, the truth that a correct integration must find. `check` compares a warehouse
with it. All persons are invented.

Importing this package must stay cheap, because `cxflow --help` imports it.
"""
