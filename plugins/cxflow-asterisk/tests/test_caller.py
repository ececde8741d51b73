import pytest

from cxflow_asterisk.caller import number


@pytest.mark.parametrize(
    ("caller_id", "expected"),
    [
        ("07700900123", "07700900123"),
        ("+44 7700 900123", "+447700900123"),
        ('"Jane Roe" <+442079460123>', "+442079460123"),
        ('"O|Brien" <02079460456>', "02079460456"),
        ("sip:07700900123", "07700900123"),
        ("(020) 7946-0789", "02079460789"),
    ],
)
def test_a_telephone_number_is_found_in_a_caller_id(caller_id: str, expected: str) -> None:
    assert number(caller_id) == expected


@pytest.mark.parametrize(
    "caller_id",
    [
        None,
        "",
        "anonymous",
        "unknown",
        '"Anonymous" <anonymous>',
        "8001",
        "0000000000",
        "1" * 16,
        "٠٧٧٠٠٩٠٠١٢٣",
    ],
)
def test_what_names_nobody_is_no_number(caller_id: str | None) -> None:
    assert number(caller_id) is None
