"""One demo at full scale for all tests of this folder."""

import pytest
from demo_reader import Demo, answered, read

from cxflow_demo.company import Company
from cxflow_demo.simulation import generate


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    simulated = generate(folder)
    lines = (*read(folder / "exports"), *answered(Company(simulated.deliveries).services))
    return Demo(folder, simulated.truth, lines)
