"""Shows what a value stands on: `cxflow explain KPI`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cxflow.cli.output import moment, table
from cxflow.cli.units import with_unit

if TYPE_CHECKING:
    from cxflow.cli.call import Call
    from cxflow.kpis.behind import Sides
    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.landed_events import Event
    from cxflow.kpis.periods import Period
    from cxflow.kpis.trace import Trace
    from cxflow.landing.raw_records import Payloads

    Shown = tuple[Event, str | None]


def show(
    call: Call, kpi: Kpi, period: Period, by: tuple[str, str] | None, rows: int, *, reveal: bool
) -> None:
    """Trace a value, and show each step."""
    from cxflow.kpis.trace import trace
    from cxflow.landing import raw_records
    from cxflow.warehouse import revisions, transactions

    with transactions.reading(call.settings) as connection:
        revisions.require(connection)
        found = trace(connection, call.settings, kpi, period, by, rows)
    payloads: Payloads = {}
    if reveal and found.events:
        places = {(e.connection, e.stream, e.batch, e.row) for e in found.events}
        payloads = raw_records.read(call.settings, places)
    slice_ = f", {by[0]}={by[1]}" if by else ""
    title = f"{kpi.title}, {period}{slice_}"
    call.out.answer(_as_json(kpi, found, payloads), *_parts(call, kpi, title, found, payloads))
    if found.events and not reveal:
        call.out.remark("--reveal shows the raw records, which are personal data")


def _parts(call: Call, kpi: Kpi, title: str, found: Trace, payloads: Payloads) -> Iterator[Any]:
    project = call.settings.project
    yield table(title, ("", ""), _components(kpi, found, project.currency))
    if found.events is None:
        yield (
            f"the estimator of {kpi.name} does not say which events its values stand on, so that they are not listed "
            f"one by one; its slices are in `cxflow kpis {kpi.name} --by DIMENSION`, and --against says what moved it"
        )
    else:
        counts = found.counts
        if found.sides:
            yield _sides(found.sides)
        yield table(
            f"Raw records: {counts['events']:,} events of {counts['records']:,} records",
            ("connection", "stream", "batch", "file", "records", "events"),
            [tuple(asdict(place).values()) for place in found.places],
        )
        if found.more_places:
            yield f"and {found.more_places:,} more places; --rows lists more"
        side = ["side"] if found.sides else []
        columns = ["at", "counted with", *side, "customer", "stream", "record", "file", "row"]
        lines = [_line(event, project.timezone, has_sides=bool(side)) for event in found.events]
        if payloads:
            columns.append("raw record")
            lines = [
                [*line, payloads.get((event.connection, event.stream, event.batch, event.row))]
                for line, event in zip(lines, found.events, strict=True)
            ]
        yield table(
            f"Events, the first {len(lines):,} of {counts['events']:,} ({project.timezone})", columns, lines
        )
    yield from _checks(found)


def _components(kpi: Kpi, found: Trace, currency: str) -> Iterator[tuple[str, Any]]:
    value = found.value
    too_few = (
        "too few to say" if value.is_suppressed else f"none: {value.interval_note or 'nothing to divide by'}"
    )
    yield "value", with_unit(value.value, kpi, currency) or too_few
    if value.ci_low is not None and value.ci_high is not None:
        yield (
            "95 % interval",
            " to ".join(str(with_unit(end, kpi, currency)) for end in (value.ci_low, value.ci_high)),
        )
    yield "formula", kpi.formula
    if value.numerator is not None:
        yield "numerator", f"{value.numerator:,.6g}"
    if value.denominator is not None:
        yield "denominator", f"{value.denominator:,.6g}"
    yield "n", value.n
    if value.customers is not None:
        yield "customers", value.customers
    for reason, events in found.left_out.items():
        yield f"left out: {reason}", events
    yield "published", value.as_of
    yield "complete", value.is_complete


def _sides(sides: Sides) -> Any:
    """What each side comes to; of sides whose customers are counted, no sums."""
    is_sum = any(side.given for side in sides.values())
    columns = ("side", "customers", "events", *(["counted with"] if is_sum else []))
    return table("Sides", columns, [(name, *side[: len(columns) - 1]) for name, side in sides.items()])


def _line(event: Event, zone: str, *, has_sides: bool) -> list[Any]:
    stream = f"{event.connection}.{event.stream}" if event.stream else None
    return [
        *(moment(event.at, zone), event.gives),
        *([event.side] if has_sides else []),
        *(event.customer_id, stream, event.record, event.file, event.row),
    ]


def _checks(found: Trace) -> Iterator[str]:
    """That it adds up, or what does not."""
    if found.adds_up:
        yield f"it adds up: {len(found.checks)} checks"
    for check in found.checks:
        if not check.adds_up:
            why = f" ({check.why})" if check.why else ""
            yield f"does not add up: {check.what}: {check.expected:,.6g} and {check.found:,.6g}{why}"


def _as_json(kpi: Kpi, found: Trace, payloads: Payloads) -> dict[str, Any]:
    events = None if found.events is None else [asdict(event) for event in found.events]
    if payloads:
        for event in events or ():
            place = event["connection"], event["stream"], event["batch"], event["row"]
            event["raw"] = payloads.get(place)
    return {
        "kpi": kpi.name,
        "formula": kpi.formula,
        "value": asdict(found.value),
        "left_out": dict(found.left_out),
        "counts": dict(found.counts),
        "sides": {name: side._asdict() for name, side in found.sides.items()},
        "places": [asdict(place) for place in found.places],
        "more_places": found.more_places,
        "events": events,
        "adds_up": found.adds_up,
        "checks": [_check(asdict(check), adds_up=check.adds_up) for check in found.checks],
    }


def _check(check: Mapping[str, Any], *, adds_up: bool) -> dict[str, Any]:
    return {**check, "adds_up": adds_up, "why": None if adds_up else check["why"]}
