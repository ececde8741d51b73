"""`cxflow lifetimes`: predicts what each customer will order, and what that will be worth."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.output import table


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Inspect")(lifetimes)


def lifetimes(
    call: Call,
    months: Annotated[int, typer.Option(min=1, max=60, help="How far to look ahead.")] = 12,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write each customer's prediction to it, as CSV."
        ),
    ] = None,
) -> None:
    """Predict what customers will order, from what all have ordered (BG/NBD and Gamma–Gamma)."""
    from pyarrow import csv

    from cxflow.cli import output_file, warehouse
    from cxflow.kpis import lifetimes as prediction
    from cxflow.warehouse import revisions, transactions

    settings = call.settings
    if output is not None:
        output_file.require_file(output)
    warehouse.require(settings)
    with call.out.progress() as step:
        step("customers")
        with transactions.reading(settings) as connection:
            revisions.require(connection)
            found = prediction.predict(connection, settings, months)
    currency, count = settings.project.currency, len(found.customers)
    again = (found.repeats > 0).mean()
    rows = [
        ("customers", f"{count:,}"),
        ("ordered on another day", f"{again:.1%}"),
        ("still buying, expected", f"{found.alive.mean():.1%}"),
        (f"orders in {months} months, per customer", f"{found.orders.mean():,.2f}"),
        (f"value in {months} months, per customer", f"{found.value.mean():,.2f} {currency}"),
        (f"value in {months} months, together", f"{found.value.sum():,.0f} {currency}"),
    ]
    parts = [table(f"Predicted for {settings.project.name}", ("", ""), rows)]
    if output is not None:
        content = io.BytesIO()
        csv.write_csv(found.table(), content)
        output_file.write(output, content.getvalue())
    data = {
        "months": months,
        "customers": count,
        "ordered_again": float(again),
        "alive": float(found.alive.mean()),
        "expected_orders": float(found.orders.mean()),
        "expected_value": float(found.value.mean()),
        "currency": currency,
        "buying": asdict(found.buying),
        "spending": asdict(found.spending),
        "path": output,
    }
    call.out.answer(data, *parts, *([f"wrote {output}"] if output else []))
