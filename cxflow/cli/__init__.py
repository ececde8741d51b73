"""The command line, which runs the functions of `cxflow.flow`. `docs/cli.md` describes every command."""

from __future__ import annotations


def main() -> None:
    """Run the command line: the entry point of `cxflow`."""
    import signal
    import sys

    from cxflow.cli.app import app
    from cxflow.cli.call import on_terminate

    signal.signal(signal.SIGTERM, on_terminate)
    if {"run", "backfill", "remap"} & {*sys.argv[1:]}:
        from cxflow import flow

        flow.make_ready()
    app()
