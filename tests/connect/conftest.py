"""A drop folder for each test of this folder."""

from pathlib import Path

import pytest
from file_source import Drop


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)
