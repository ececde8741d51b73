"""The contacts that customers would rather not have needed: the best service is no service (Price and Jaffe, 2008)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, String, column, func

from cxflow.kpis.contact import contact_rate
from cxflow.kpis.estimators import Rate, Share
from cxflow.kpis.experience import seeds
from cxflow.kpis.facts import fact
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.support_contacts import contacts_once
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header

UNKNOWN_REASON = "without a known reason"


def _read(settings: Settings) -> str:
    """What the KPIs depend on: the seed table, whose own SQL they write."""
    return seeds.fingerprint(settings, "contact_reasons")


def _reason() -> ColumnElement[str]:
    """A contact's reason, spelt as `model.reasons.known_as` does."""
    lower = func.lower(func.trim(column("reason", String)))
    return func.replace(func.replace(lower, " ", "_"), "-", "_")


def _is_preventable(settings: Settings) -> ColumnElement[bool]:
    found = [each.reason for each in seeds.contact_reasons(settings) if each.is_preventable]
    return func.coalesce(_reason().in_(found), False)


def _rate(settings: Settings) -> Rate:
    contacts = contacts_once(settings.kpis.same_contact_minutes)
    return Rate(contacts.where(_is_preventable(settings)), per=fact(order_header))


def _share(settings: Settings) -> Share:
    known = [each.reason for each in seeds.contact_reasons(settings)]
    contacts = contacts_once(settings.kpis.same_contact_minutes)
    return Share(contacts.needing(UNKNOWN_REASON, _reason().in_(known)), where=_is_preventable(settings))


preventable_contact_rate = Kpi(
    name="preventable_contact_rate",
    title="Preventable contact rate",
    title_es="Tasa de contactos evitables",
    description="How many support contacts for every 100 orders nobody should have needed.",
    description_es="Cuántos contactos con soporte por cada 100 pedidos no deberían haber hecho falta.",
    unit="per 100 orders",
    better="lower",
    lowest=0,
    formula="100 × support contacts whose reason the seed table contact_reasons marks preventable ÷ orders placed in "
    "the period, cancelled ones included; contacts are counted as in contact_rate",
    formula_es="100 × contactos con soporte cuyo motivo figura como evitable en la tabla contact_reasons ÷ pedidos "
    "hechos en el periodo, incluidos los cancelados; los contactos se cuentan como en «Tasa de contacto»",
    version=2,
    counts=contact_rate.counts,
    needs=contact_rate.needs,
    dimensions=contact_rate.dimensions,
    of=_rate,
    depends_on=_read,
)

preventable_share = Kpi(
    name="preventable_share",
    title="Preventable share of contacts",
    title_es="Proporción de contactos evitables",
    description="The share of support contacts, of known reasons, that nobody should have needed.",
    description_es="La proporción de contactos con soporte, de motivo conocido, que no deberían haber "
    "hecho falta.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="support contacts whose reason the seed table contact_reasons marks preventable ÷ support contacts whose "
    "reason it knows; contacts are counted as in contact_rate",
    formula_es="contactos con soporte cuyo motivo figura como evitable en la tabla contact_reasons ÷ contactos con "
    "soporte cuyo motivo figura en ella; los contactos se cuentan como en «Tasa de contacto»",
    version=2,
    counts=contact_rate.counts,
    of=_share,
    depends_on=_read,
)
