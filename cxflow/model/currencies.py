"""The currency codes of ISO 4217 in use, funds and metals left out."""

from __future__ import annotations

from cxflow.model.names import nearest

_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD
HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD
LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK
PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""

CURRENCIES = frozenset(_CODES.split())

_UNLIKE_MOST = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
MINOR_UNITS = dict.fromkeys(CURRENCIES, 2) | {
    code: digits for digits, codes in _UNLIKE_MOST.items() for code in codes.split()
}
"""Currency to the decimals of its smallest unit: 2 for EUR, none for JPY."""


def known_currency(code: str | None) -> str | None:
    """The code, if it is one in use. Raises ValueError with the nearest one."""
    if code is not None and code not in CURRENCIES:
        raise ValueError(f"unknown currency {code!r}{nearest(code, sorted(CURRENCIES))}")
    return code
