"""One budget for all threads and processes of a machine, and pauses in every form that services use."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from cxflow.connect.http import budget as budget_module
from cxflow.connect.http import waiting
from cxflow.connect.http.budget import Budget, RateLimit

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "2.0"}, 2),
        ({"retry-after": " 1.5s "}, 1.5),
        ({"retry-after": "250ms"}, 0.25),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:45 GMT"}, 45),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        ({"retry-after": str(int(NOW.timestamp()) + 20)}, 20),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "", "ratelimit-reset": "41"}, 41),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 90)}, 90),
        ({"x-ratelimit-reset": str(int(NOW.timestamp() + 90) * 1000)}, 90),
        ({}, None),
    ],
)
def test_a_pause_is_understood_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert waiting.retry_after(headers, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_pause_goes_by_the_service_s_own_clock(ahead: timedelta) -> None:
    there = NOW + ahead
    date, until = (format_datetime(at, usegmt=True) for at in (there, there + timedelta(seconds=30)))
    assert waiting.retry_after({"date": date, "retry-after": until}, NOW) == 30
    reset = str(int(there.timestamp()) + 20)
    assert waiting.retry_after({"date": date, "x-ratelimit-reset": reset}, NOW) == 20
    assert waiting.retry_after({"date": date, "retry-after": "7"}, NOW) == 7
    assert waiting.retry_after({"date": "yesterday", "retry-after": "7"}, NOW) == 7


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget's clock stands still: waits do not depend on how fast the machine is."""
    monkeypatch.setattr(budget_module, "time", SimpleNamespace(time=lambda: 1000.0))


@pytest.mark.usefixtures("clock")
def test_requests_are_spread_after_the_first_few(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "acme", [RateLimit(10, 1.0, burst=3)])
    waits = [budget.reserve("/x") for _ in range(6)]
    assert waits == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])


@pytest.mark.usefixtures("clock")
def test_an_endpoint_with_a_limit_of_its_own_keeps_both(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "acme", [RateLimit(1000, 1.0, burst=1000), RateLimit(1, 60.0, of="/search")])
    assert budget.reserve("/crm/search") == 0
    assert budget.reserve("/crm/search") == pytest.approx(60)
    assert budget.reserve("/crm/list") < 1


def test_accounts_do_not_share_a_budget(tmp_path: Path) -> None:
    one, other = (Budget(tmp_path, name, [RateLimit(1, 60.0)]) for name in ("acme", "other"))
    assert (one.reserve("/"), other.reserve("/")) == (0, 0)


@pytest.mark.usefixtures("clock")
def test_a_pause_holds_everybody(tmp_path: Path) -> None:
    one, same = Budget(tmp_path, "acme"), Budget(tmp_path, "acme")
    one.pause(30)
    one.pause(5)  # a shorter one does not end the longer
    assert same.reserve("/") == pytest.approx(30)


@pytest.mark.usefixtures("clock")
def test_points_are_waited_for_at_the_speed_at_which_they_come_back(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "acme")
    assert budget.reserve("/", points=500) == 0, "nothing is known yet"
    budget.note_points(available=100, per_second=50, most=1000)
    assert budget.reserve("/", points=200) == pytest.approx(2)
    assert budget.reserve("/", points=100) == pytest.approx(4), "the first reservation has its points"


def test_processes_and_threads_together_send_no_more_than_is_allowed(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cxflow.connect.http.budget import Budget, RateLimit\n"
        "budget = Budget(Path(sys.argv[1]), 'acme', [RateLimit(50, 1.0)])\n"
        "for _ in range(20): print(budget.moment('/'))\n"
    )
    made = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    budget = Budget(tmp_path, "acme", [RateLimit(50, 1.0)])
    with ThreadPoolExecutor(4) as pool:
        moments = list(pool.map(lambda _: budget.moment("/"), range(20)))
    for process in made:
        output, _ = process.communicate()
        assert process.returncode == 0
        moments += map(float, output.split())
    moments.sort()
    assert len(moments) == 80
    for place in range(len(moments) - 50):
        assert moments[place + 50] - moments[place] > 1 - 1e-3


def test_who_waited_for_the_reservations_of_others_does_not_wait_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The moment was reserved at 1000; until the reservation is written, the clock is at 1007.
    readings = iter([1000.0, 1000.0, 1007.0])
    monkeypatch.setattr(budget_module, "time", SimpleNamespace(time=lambda: next(readings)))
    budget = Budget(tmp_path, "acme", [RateLimit(1, 10.0)])
    assert budget.moment("/") == 1000
    assert budget.reserve("/") == pytest.approx(3)


def test_the_file_is_its_owners_alone_and_names_no_account(tmp_path: Path) -> None:
    Budget(tmp_path / "state", "acme-secret-name", [RateLimit(1, 1.0)]).reserve("/")
    file = tmp_path / "state" / "budget.sqlite"
    assert file.stat().st_mode & 0o077 == 0
    assert b"acme-secret-name" not in file.read_bytes()
