"""The server that stands for a vendor's."""

from __future__ import annotations

import gc
import socket

import pytest

from cxflow.testing.service import served


def test_a_port_that_is_taken_is_an_error_that_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use"), served(None, taken.getsockname()[1]):
            pass
        gc.collect()  # a socket that nobody closed would warn
