"""A small invented company whose customer-experience data is known to the last record, and the command that shows it.

`simulation.generate` writes the exports of its six systems as they would really arrive (daily, untidy, some of it
wrong) and, aside, the truth that a correct integration must find. `check` compares a warehouse with it, `command` is
`cxflow demo`. Nobody in it exists.

Importing this package loads nothing: `cxflow --help` does it.
"""
