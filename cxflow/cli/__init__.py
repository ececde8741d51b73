"""The command line, which runs the functions of `cxflow.flow`. `docs/cli.md` describes every command."""

from __future__ import annotations

_COLLECT_AFTER = 500_000
"""Objects made before Python looks for cycles. Imports make some hundred thousand that stay: with Python's own number,
looking takes a tenth of a short command."""


def main() -> None:
    """Run the command line: the entry point of `cxflow`."""
    import gc
    import signal
    import sys

    gc.set_threshold(_COLLECT_AFTER)
    from cxflow.cli.app import app
    from cxflow.cli.call import on_terminate

    signal.signal(signal.SIGTERM, on_terminate)
    if {"run", "backfill", "remap"} & {*sys.argv[1:]}:
        from cxflow import flow

        flow.make_ready()
    try:
        app()
    finally:
        # Python would look for cycles among all of them once more: a fifth of a short command.
        gc.freeze()
