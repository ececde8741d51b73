"""One demo at full scale for all tests of this folder."""

import pytest
from demo_reader import Demo, read

from cxflow_demo.simulation import generate


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    truth = generate(folder)
    return Demo(folder, truth, tuple(read(folder / "exports")))
