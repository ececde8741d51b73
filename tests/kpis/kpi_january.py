"""The customers of January, whom tests of cohorts and of their traces follow."""

from __future__ import annotations

from kpi_desk import Desk, at


def four_in_january(desk: Desk) -> None:
    """January: ana 100 and 20, ben 50, eva 30, fay 20. February: ana 40, ben 10; gil, first, 7. March: ana 10, gil 3,
    and hal, first. April: hal, so that March is over."""
    for day, customer, amount in (
        ("1-05", "ana", 100),
        ("1-20", "ana", 20),
        ("1-10", "ben", 50),
        ("1-31", "eva", 30),
        ("1-31", "fay", 20),
        ("2-10", "ana", 40),
        ("2-11", "ben", 10),
        ("2-12", "gil", 7),
        ("3-01", "ana", 10),
        ("3-31", "gil", 3),
        ("3-31", "hal", 1),
        ("4-01", "hal", 1),
    ):
        desk.order(at(day), customer, price_total=amount)
