"""Serves an ASGI application on loopback, in a thread: the edge that stands for a vendor's service."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from cxflow.connect.http.client import without_pauses

__all__ = ["served", "without_pauses"]


@contextmanager
def served(application: Any, port: int = 0) -> Iterator[str]:
    """The application's base URL, for the block. Port 0: any that is free. Raises OSError if the port is taken."""
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
    except (OSError, OverflowError):
        listening.close()
        raise
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            log_level="warning",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
            date_header=False,  # a proxy with faults has its own
        )
    )
    thread = threading.Thread(target=server.run, args=([listening],), name="service", daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the service did not start")
            thread.join(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
