"""Expressions of the mappings."""

from __future__ import annotations


def channel(via: str) -> str:
    """Expression: Zendesk's channel in cxflow's words; one that is not listed stays as it is."""
    return (
        f"CASE WHEN {via} IN ('voice', 'phone') THEN 'phone' "
        f"WHEN {via} IN ('chat', 'native_messaging', 'whatsapp', 'line', 'wechat', 'telegram') THEN 'chat' "
        f"WHEN {via} IN ('facebook', 'twitter', 'instagram_dm') THEN 'social' "
        f"WHEN {via} IN ('mobile', 'mobile_sdk') THEN 'app' ELSE coalesce({via}, 'unknown') END"
    )


def after(start: str, amount: str, unit: str = "minutes") -> str:
    """Expression: a time so many units after another."""
    return f"({start})::TIMESTAMPTZ + to_{unit}(({amount})::BIGINT)"
