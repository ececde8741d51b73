"""A small invented company whose customer-experience data is known to the last record, and the commands
`cxflow demo` and `cxflow sandbox`.

`simulation.generate` writes the exports of its systems as they would really arrive (daily, untidy, some of it wrong)
and, separately, the truth that a correct integration must find; `company` serves the APIs of the systems that have
one. `check` compares a warehouse with the truth. All persons are invented.

Importing this package must stay cheap, because `cxflow --help` imports it.
"""
