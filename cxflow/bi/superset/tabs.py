"""What the dashboard shows: its tabs, each with its charts in order. What a project has no data for is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cxflow.bi.published import Published, PublishedKpi
from cxflow.bi.rollups import TABLE
from cxflow.bi.superset import charts
from cxflow.bi.superset.charts import COLUMNS, Chart
from cxflow.bi.superset.datasets import NEWEST, PERIODS_AGO
from cxflow.bi.wording import Wording
from cxflow.settings import Settings

_OVERVIEW = (
    *("nps", "csat", "net_experience", "first_contact_resolution"),
    *("contact_rate", "on_time_delivery_rate", "return_rate", "revenue"),
    *("review_rating", "abandonment_rate", "net_sentiment", "repeat_purchase_rate", "touchpoints"),
)
_SERVICE = (
    *("first_contact_resolution", "average_speed_of_answer", "abandonment_rate", "service_level_80_20"),
    *("first_reply_minutes", "resolution_minutes", "contact_rate", "backlog"),
)
_SHOP = (
    *("revenue", "average_order_value", "on_time_delivery_rate", "return_rate"),
    *("repeat_purchase_rate", "delivery_days"),
)
_NUMBERS = {"overview": (_OVERVIEW, 8), "service": (_SERVICE, 4), "shop": (_SHOP, 4)}
"""Tab to the KPIs that it begins with, and how many: the first that have values."""
_CALCULATED = {"hour_of_day": "offered_at_local", "experience": "polarity"}
"""Column that Superset computes to the column it follows from."""
_SLICED_BY = ("channel", "segment", "country", "source")
"""The dimensions by which a headline KPI is shown: the first that it has."""


def tabs(published: Published, settings: Settings, words: Wording) -> Mapping[str, tuple[str, list[Chart]]]:
    """Name of each tab to its title and charts."""
    board = _Board(published, settings, words)
    made = {
        "overview": (words("Overview", "Resumen"), board.overview()),
        "journey": (words("Journey", "Recorrido"), board.journey()),
        "service": (words("Service", "Servicio"), board.service()),
        "shop": (words("Shop", "Tienda"), board.shop()),
        "quality": (words("Data quality", "Calidad de los datos"), board.quality()),
    }
    return {
        name: (
            title,
            [each for each in (*board.numbers(name), *found) if each and _has_rows(each, published)],
        )
        for name, (title, found) in made.items()
    }


def _has_rows(chart: Chart, published: Published) -> bool:
    return published.filled(
        TABLE if chart.dataset == NEWEST else chart.dataset, _CALCULATED.get(chart.needs or "", chart.needs)
    )


class _Board:
    def __init__(self, published: Published, settings: Settings, words: Wording) -> None:
        self._published, self._words = published, words
        self._currency = settings.project.currency

    def numbers(self, tab: str) -> list[Chart]:
        """The KPIs that a tab begins with."""
        names, most = _NUMBERS.get(tab, ((), 0))
        return [
            charts.number(
                kpi, self._words.title(kpi.declared), self._unit(kpi), self._words.description(kpi.declared)
            )
            for kpi in self._whole(*names)[:most]
        ]

    def overview(self) -> list[Chart | None]:
        """How things stand."""
        say = self._words
        newest = say("Every KPI in its newest complete month", "Cada KPI en su último mes completo")
        labels = {
            "title": "KPI",
            "title_es": "KPI",
            "period_start": say("month", "mes"),
            "shown_value": say("value", "valor"),
            "shown_unit": say("unit", "unidad"),
            "better": say("better", "mejor"),
        }
        title = say("title", "title_es")
        columns = (title, "period_start", "shown_value", "shown_unit", "n", "left_out", "better")
        whole = (("grain", "==", "month"), ("dimension", "==", ""), (PERIODS_AGO, "==", 1))
        return [
            self._lines(
                say("Net scores by week", "Índices netos por semana"),
                "nps",
                "ces_net",
                "net_sentiment",
                "net_experience",
            ),
            self._lines(
                say("Shares by week", "Proporciones por semana"),
                "csat",
                "first_contact_resolution",
                "on_time_delivery_rate",
                "return_rate",
            ),
            *self._slices("nps", "csat", "net_experience"),
            charts.rows(
                "newest",
                NEWEST,
                columns,
                newest,
                {"shown_value": ",.1f", "n": ",d", "left_out": ",d"},
                (*whole, ("n", ">", 0)),
                ((title, True),),
                labels,
                height=62,
            ),
        ]

    def journey(self) -> list[Chart | None]:
        """What customers live through, and in which order."""
        say = self._words
        return [
            charts.counts_over_time(
                "mart_touchpoint",
                "occurred_at_local",
                say("Touchpoints by week and channel", "Contactos por semana y canal"),
                "channel",
            ),
            charts.counts_by(
                "mart_touchpoint", "activity", say("Touchpoints by activity", "Contactos por actividad")
            ),
            self._lines(
                say("Net experience by week", "Experiencia neta por semana"),
                "net_experience",
                "net_experience_per_customer",
            ),
            charts.counts_by(
                "mart_experience",
                "journey_stage",
                say("Experiences by stage of the journey", "Experiencias por etapa del recorrido"),
                by="experience",
                filters=(("is_counted", "==", True), ("polarity", "IS NOT NULL", None)),
            ),
            charts.totals(
                "steps",
                "mart_journey",
                ("previous_activity", "activity"),
                say("What follows what", "Qué sigue a qué"),
                filters=(("previous_activity", "IS NOT NULL", None),),
            ),
            charts.counts_by(
                "mart_review",
                "rating_value",
                say("Reviews by rating and best rating", "Reseñas por puntuación y máximo"),
                by="best_rating",
                in_order=True,
            ),
        ]

    def service(self) -> list[Chart | None]:
        """How customers are helped."""
        say = self._words
        calls = "mart_interaction"
        return [
            self._lines(
                say("Service by week", "Atención por semana"),
                "first_contact_resolution",
                "abandonment_rate",
                "service_level_80_20",
                "reopen_rate",
            ),
            self._lines(
                say(
                    "Minutes to reply and to solve, by week", "Minutos hasta responder y resolver, por semana"
                ),
                "first_reply_minutes",
                "resolution_minutes",
            ),
            charts.counts_over_time(
                "mart_touchpoint",
                "occurred_at_local",
                say("Contacts by week and reason", "Consultas por semana y motivo"),
                "reason",
                filters=(("is_support_contact", "==", True),),
            ),
            *self._slices("first_contact_resolution", "abandonment_rate"),
            charts.counts_by(
                calls,
                "hour_of_day",
                say("Calls by hour of the day", "Llamadas por hora del día"),
                in_order=True,
                most=24,
            ),
            charts.counts_by(calls, "queue_id", say("Calls by queue", "Llamadas por cola"), by="outcome"),
            charts.counts_over_time(
                "mart_support_case",
                "opened_at_local",
                say("Cases opened by week and status", "Casos abiertos por semana y estado"),
                "status",
            ),
            charts.counts_by(
                "mart_support_case", "priority", say("Cases by priority", "Casos por prioridad")
            ),
        ]

    def shop(self) -> list[Chart | None]:
        """What is bought, delivered and sent back."""
        say = self._words
        return [
            self._lines(say("Revenue by month", "Ingresos por mes"), "revenue", "net_revenue", grain="month"),
            self._lines(
                say("Deliveries and returns by week", "Entregas y devoluciones por semana"),
                "on_time_delivery_rate",
                "return_rate",
                "refund_rate",
            ),
            charts.counts_over_time(
                "mart_order",
                "created_at_local",
                say("Orders by week and channel", "Pedidos por semana y canal"),
                "channel",
            ),
            *self._slices("return_rate", "on_time_delivery_rate", "average_order_value"),
            charts.counts_by(
                "mart_order_line",
                "product_title",
                say("Order lines by product", "Líneas de pedido por producto"),
                filters=(("is_cancelled", "==", False),),
            ),
            charts.counts_by(
                "mart_delivery", "carrier", say("Parcels by carrier", "Envíos por transportista")
            ),
            charts.counts_by("mart_refund", "reason", say("Refunds by reason", "Reembolsos por motivo")),
        ]

    def quality(self) -> list[Chart | None]:
        """Whether the data can be trusted."""
        say = self._words
        title = say("title", "title_es")
        kpi = {title: "KPI", "period_start": say("month", "mes")}
        return [
            charts.rows(
                "freshness",
                "mart_freshness",
                (
                    *("source_system", "source_object", "position_local", "loaded_at_local"),
                    *("last_status", "loads", "quarantine_open"),
                ),
                say("How fresh each source is", "Hasta cuándo está cargada cada fuente"),
                {"loads": ",d", "quarantine_open": ",d"},
                order=(("source_system", True), ("source_object", True)),
                labels={
                    "source_system": say("connection", "conexión"),
                    "source_object": say("stream", "flujo"),
                    "position_local": say("loaded up to", "cargado hasta"),
                    "loaded_at_local": say("last load", "última carga"),
                    "last_status": say("status", "estado"),
                    "loads": say("loads", "cargas"),
                    "quarantine_open": say("in quarantine", "en cuarentena"),
                },
            ),
            charts.counts_over_time(
                "mart_load",
                "finished_at_local",
                say("Records read, by what became of them", "Registros leídos, según su destino"),
                metrics=tuple(
                    f"sum_{each}"
                    for each in (
                        *("inserted", "updated", "unchanged", "deleted"),
                        *("deduplicated", "quarantined"),
                    )
                ),
                filters=(("status", "==", "loaded"),),
                grain="day",
            ),
            charts.totals(
                "quarantine",
                "mart_quarantine",
                ("source_system", "source_object", "rule", "column_name"),
                say("What is refused, and why", "Qué se rechaza y por qué"),
                filters=(("status", "==", "open"),),
            ),
            charts.rows(
                "open",
                TABLE,
                (title, "period_start", "complete_until", "n"),
                say("Months that are not complete yet", "Meses que aún no están completos"),
                {"n": ",d"},
                (
                    ("grain", "==", "month"),
                    ("dimension", "==", ""),
                    ("is_complete", "==", False),
                    ("n", ">", 0),
                ),
                ((title, True), ("period_start", True)),
                {**kpi, "complete_until": say("complete until (UTC)", "completo hasta (UTC)")},
                width=6,
            ),
            charts.rows(
                "definitions",
                "mart_kpi_definition",
                (title, "version", "status", "status_reason"),
                say("Which KPIs could be computed", "Qué KPIs se pudieron calcular"),
                order=((title, True),),
                labels={
                    **kpi,
                    "version": say("version", "versión"),
                    "status": say("status", "estado"),
                    "status_reason": say("why", "por qué"),
                },
                width=6,
            ),
        ]

    def _unit(self, kpi: PublishedKpi) -> str:
        unit = kpi.declared.unit
        return {"share": "", "points": "", "project currency": self._currency}.get(unit, unit)

    def _whole(self, *names: str) -> list[PublishedKpi]:
        """Those of the KPIs that have values of the whole."""
        found = (self._published.kpis.get(name) for name in names)
        return [kpi for kpi in found if kpi is not None and "" in kpi.dimensions]

    def _lines(self, title: str, *names: str, grain: charts.Grain = "week") -> Chart | None:
        """Those of the KPIs that have values and the unit of the first that has."""
        found = self._whole(*names)
        if not found:
            return None
        same = [kpi for kpi in found if kpi.declared.unit == found[0].declared.unit]
        return charts.lines(names[0], same, title, grain)

    def _slices(self, *names: str) -> Iterator[Chart]:
        for kpi in self._whole(*names):
            dimension = next((each for each in _SLICED_BY if kpi.dimensions.get(each, 0) > 1), None)
            if dimension is not None:
                by = self._words("by", "por")
                title = f"{self._words.title(kpi.declared)} {by} {dimension}"
                yield charts.slices(kpi, dimension, title, COLUMNS // 3)
