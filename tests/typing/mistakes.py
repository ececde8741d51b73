"""Mistakes that a type checker must see: `warn_unused_ignores` reports each that it lets pass. Never run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cxflow import Conector  # type: ignore[attr-defined]  # isort: skip
from sqlalchemy import Double, column
from typed_desk.connector import Desk, DeskConnection, DeskStream

from cxflow import (
    Call,
    ConfigError,
    Connector,
    Count,
    Cursor,
    Dataset,
    Expectation,
    Kpi,
    Mean,
    Net,
    Page,
    Policies,
    Projection,
    Query,
    Rate,
    Reading,
    Reject,
    Secret,
    Share,
    Stream,
    TransientError,
    Window,
    fact,
    interaction,
    pages,
    review,
    table,
)
from cxflow.testing import TestProject, conformance

NOW = datetime(2026, 3, 2, tzinfo=UTC)
score = column("score", Double)


class OwnAttributes(Connector[DeskConnection, DeskStream]):
    """What its own models do not have."""

    def read(self, stream: DeskStream, window: Window, cursor: Cursor | None) -> Reading:
        self.connection.exprots  # type: ignore[attr-defined]
        self.connection.exports.resolve()  # type: ignore[attr-defined]
        self.connection.seal.lower()  # type: ignore[attr-defined]
        stream.prefx  # type: ignore[attr-defined]
        stream.page_records.days  # type: ignore[attr-defined]
        stream.kind == "xml"  # type: ignore[comparison-overlap]
        self.stream("tickets").path  # type: ignore[attr-defined]
        self.streams["tickets"].path  # type: ignore[attr-defined]
        self.streams[0]  # type: ignore[index]
        window.start.isoformat()  # type: ignore[union-attr]
        window.begin  # type: ignore[attr-defined]
        cursor["until"]  # type: ignore[index]
        yield {"id": 1}  # type: ignore[misc]
        return "2026-03-02"  # type: ignore[return-value]


class OtherConnection(DeskConnection):
    """One with a setting of its own."""

    region: str


class OtherStream(Stream):
    """A stream of another connector."""

    depth: int


class AnotherStream(Connector[DeskConnection, DeskStream]):
    """Reads what is not its own model's."""

    def check(self, stream: OtherStream) -> None:  # type: ignore[override]
        stream.prefix  # type: ignore[attr-defined]

    def plan(self, stream: Stream, window: Window, cursor: Cursor | None) -> list[str]:
        return [stream.prefix]  # type: ignore[attr-defined]

    def read(self, stream: DeskStream, window: Window, cursor: Cursor | None) -> list[Page]:  # type: ignore[override]
        return [Page("x", NOW, [{"depth": stream.depth}])]  # type: ignore[attr-defined]


class AnotherConnection(Connector[OtherConnection]):
    """The stream is a plain one, the connection is not."""

    def read(self, stream: Stream, window: Window, cursor: Cursor | None) -> Reading:
        self.connection.regoin  # type: ignore[attr-defined]
        yield from Page("x", NOW)  # type: ignore[misc]
        return None


class NoSettings(Connector[Stream]):  # type: ignore[type-var]
    """The models in the wrong order."""

    def read(self, stream: Stream, window: Window) -> Reading:  # type: ignore[override]
        yield Count(1, "x")
        return None


class NoReading(Connector[DeskConnection]):
    """No `read`."""


def items() -> None:
    """Items of the wrong kind."""
    Page("x", NOW, ["a record"])  # type: ignore[list-item]
    Page("x", NOW, [{1: "a"}])  # type: ignore[dict-item]
    Page("x", "2026-03-02", [])  # type: ignore[arg-type]
    Page("x", NOW, rejects=["whole"])  # type: ignore[list-item]
    Page("x", NOW).records.append({})  # type: ignore[attr-defined]
    Page("x", NOW).origin = "y"  # type: ignore[misc]
    Reject("odd", {"id": 1})  # type: ignore[arg-type]
    Count("3", "x")  # type: ignore[arg-type]
    Dataset("file")  # type: ignore[call-arg]
    Query("SELECT 1", "x")  # type: ignore[arg-type]
    pages([{"id": 1}], "x", NOW)  # type: ignore[call-arg]
    pages({"id": 1}, origin="x", received_at=NOW)  # type: ignore[dict-item]
    Window(NOW, None)  # type: ignore[arg-type]


def declarations() -> None:
    """Declarations that no stream has."""
    Stream(name="x", to={"review": {"review_id": "id"}})  # type: ignore[call-arg]
    Stream(primary_key=("id",))  # type: ignore[call-arg]
    Stream(primary_key="id", to={})  # type: ignore[arg-type]
    Stream(primary_key=("id",), to={"review": {"worst_rating": 1}})  # type: ignore[dict-item]
    Stream(primary_key=("id",), to={"review": 1})  # type: ignore[dict-item]
    Stream(primary_key=("id",), to={}, look_back=3600)  # type: ignore[arg-type]
    Stream(primary_key=("id",), to={}, lookback=None)  # type: ignore[call-arg]
    Stream(primary_key=("id",), to={}, decimal=";")  # type: ignore[arg-type]
    Stream(primary_key=("id",), to={}).to["review"].where  # type: ignore[attr-defined]
    DeskStream(primary_key=("id",), to={})  # type: ignore[call-arg]
    DeskStream(primary_key=("id",), to={}, prefix="x", kind="xml")  # type: ignore[arg-type]
    Projection(columns={"rating": 1})  # type: ignore[dict-item]
    Policies(new_column="ignore")  # type: ignore[arg-type]
    Expectation(table="review", rule="x", level="rows", sql="true")  # type: ignore[arg-type]
    Expectation(rule="x", sql="true")  # type: ignore[call-arg]
    Secret(env="X").reveal().upper()  # type: ignore[attr-defined]
    raise ConfigError("odd", setting="x")  # type: ignore[call-arg]


def kpis() -> Iterable[Kpi]:
    """KPIs that cannot be computed."""
    ratings = fact(review, score=review.c.rating_value)
    fact("review")  # type: ignore[arg-type]
    fact(review, score="rating_value")  # type: ignore[arg-type]
    fact(interaction, dimensions=("agent",))  # type: ignore[arg-type]
    Share(ratings)  # type: ignore[call-arg]
    Share(review, score > 1)  # type: ignore[arg-type]
    Share(ratings, "score > 1")  # type: ignore[arg-type]
    Mean(ratings, "score")  # type: ignore[arg-type]
    Net(ratings, plus=score > 3, mines=score < 2)  # type: ignore[call-arg]
    Rate(ratings, per=score)  # type: ignore[arg-type]
    Kpi("x")  # type: ignore[call-arg]
    yield Kpi(
        name="x",
        title="X",
        unit="share",
        better="bigger",  # type: ignore[arg-type]
        formula="a ÷ b",
        of=ratings,  # type: ignore[arg-type]
        grains=("hour",),  # type: ignore[arg-type]
        version="2",  # type: ignore[arg-type]
    )


def command(call: Call, connection: DeskConnection) -> None:
    """What a call and a connector do not have."""
    NoReading(call.settings, connection)  # type: ignore[abstract]
    NoReading(connection, call.settings)  # type: ignore[abstract, arg-type]
    DeskConnection(connector="desk", exports="exports")  # type: ignore[call-arg]
    call.setings  # type: ignore[attr-defined]
    call.settings.kpis.minimum_n  # type: ignore[attr-defined]
    call.out.print("x")  # type: ignore[attr-defined]
    call.fail("it went wrong")  # type: ignore[arg-type]
    table("Desks", ["name"], [1])  # type: ignore[list-item]
    raise TransientError(ValueError("odd"))  # type: ignore[arg-type]


def kit(project: TestProject) -> None:
    """The kit, misused."""
    conformance()  # type: ignore[call-arg]
    conformance({"connector": "desk"}, source="exports")  # type: ignore[arg-type]
    project.run(mode="backfil")  # type: ignore[arg-type]
    project.run()["desk.tickets"].counts.read  # type: ignore[attr-defined]
    project.query("SELECT 1").fetchall()  # type: ignore[attr-defined]


NAMES: list[object] = [Desk, Conector]
