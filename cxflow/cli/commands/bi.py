"""`cxflow bi`: writes files for BI tools, over the published views."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.options import Language
from cxflow.cli.typer_classes import Group

if TYPE_CHECKING:
    from cxflow.bi.published import Published


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        cls=Group, help="Write files for BI tools: dashboards, semantic models.", no_args_is_help=True
    )
    command(group)(superset)
    command(group)(ossie)
    command(group)(metricflow)
    app.add_typer(group, name="bi", rich_help_panel="Inspect")


def superset(
    call: Call,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="A ZIP to write, or a folder; default: superset.zip in the project.",
        ),
    ] = None,
    uri: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="How Superset reaches the views, without a password; default: as cxflow does, or the snapshot.",
        ),
    ] = None,
    superset_version: Annotated[
        str, typer.Option(metavar="VERSION", help="The Superset to import it.")
    ] = "6",
    language: Language = None,
) -> None:
    """Write an import bundle for Superset: datasets on the views, charts, and one dashboard."""
    from cxflow.bi import files
    from cxflow.bi.superset import bundle, identity
    from cxflow.bi.wording import Wording
    from cxflow.cli import output_file

    identity.require_version(superset_version)
    settings = call.settings
    path = out or settings.path("superset.zip")
    if path.suffix == ".zip":
        output_file.require_file(path)
    words = Wording(language.value if language else settings.report.language)
    with _published(call) as published:
        made = bundle.bundle(published, settings, words, uri)
    with call.writing(path.parent):
        files.write(made, path)
    count = {kind: sum(name.startswith(kind) for name in made) for kind in ("datasets", "charts")}
    if settings.warehouse.bi_role and uri is None:
        call.out.remark(
            f"Superset would connect as the warehouse's owner: name a login of the role {settings.warehouse.bi_role} "
            "with --uri"
        )
    call.out.report(
        {"path": path, **count}, f"wrote {path}: {count['charts']} charts on {count['datasets']} datasets"
    )


def ossie(
    call: Call,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it; default: ossie.yaml in the project."
        ),
    ] = None,
) -> None:
    """Write the semantic layer as an Apache Ossie document: datasets, relationships, KPIs as metrics."""
    from cxflow.bi import files
    from cxflow.bi import ossie as semantics
    from cxflow.cli import output_file

    path = out or call.settings.path("ossie.yaml")
    output_file.require_file(path)
    with _published(call) as published:
        made = semantics.document(published, call.settings)
    with call.writing(path.parent):
        files.write({path.name: made}, path.parent)
    call.out.report(
        {"path": path, "metrics": len(made["metrics"])}, f"wrote {path}: {len(made['metrics'])} metrics"
    )


def metricflow(
    call: Call,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where to write it; default: metricflow in the project."
        ),
    ] = None,
) -> None:
    """Write a dbt project for MetricFlow: the KPIs whose months add up, as metrics."""
    from cxflow.bi import files
    from cxflow.bi import metricflow as semantics

    path = out or call.settings.path("metricflow")
    with _published(call) as published:
        made = semantics.project(published, call.settings)
    with call.writing(path):
        files.write(made, path)
    count = sum(metric["type"] == "derived" for metric in made["models/kpis.yml"]["metrics"])
    call.out.report({"path": path, "metrics": count}, f"wrote {path}: {count} metrics")


@contextmanager
def _published(call: Call) -> Iterator[Published]:
    from cxflow.bi import published
    from cxflow.cli import warehouse

    with warehouse.reading(call) as read:
        yield published.read(read.connection, call.settings)
