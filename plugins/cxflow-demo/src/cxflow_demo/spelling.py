"""The spellings of an address or phone number in the different systems. Called by the system modules.

The spelling depends on the record's key, not on chance, so that each delivery of a version is the same.
"""

from zlib import crc32


def _draw(key: str, sides: int) -> int:
    return crc32(key.encode()) % sides


def email_in_form(address: str, key: str) -> str:
    """An address as from a web form: trimmed, sometimes capitalised."""
    return address.capitalize() if _draw("form" + key, 8) == 0 else address


def phone_by_hand(e164: str, key: str) -> str:
    """A Spanish number as in a CRM: national or international, with blanks or dashes."""
    n = e164.removeprefix("+34")
    return (
        f"+34 {n[:3]} {n[3:6]} {n[6:]}",
        f"0034 {n}",
        f"0034 {n[:3]} {n[3:5]} {n[5:7]} {n[7:]}",
        n,
        f"{n[:3]} {n[3:6]} {n[6:]}",
        f"{n[:3]}-{n[3:6]}-{n[6:]}",
        f"+34-{n[:3]}-{n[3:6]}-{n[6:]}",
        e164,
    )[_draw("phone" + key, 8)]


def phone_on_trunk(e164: str, key: str) -> str:
    """A Spanish number as presented by phone lines: no blanks, three prefixes."""
    n = e164.removeprefix("+34")
    return (e164, e164, f"0034{n}", n)[_draw("trunk" + key, 4)]
