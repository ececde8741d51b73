"""Servers that Airflow tells something: one takes OpenLineage's events over HTTP, as Marquez does, one e-mails."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Events = list[dict[str, Any]]
Mails = list[EmailMessage]


@contextmanager
def collector() -> Iterator[tuple[str, Events]]:
    """Its address, and what it got."""
    got: Events = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with _served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}", got


@contextmanager
def postbox() -> Iterator[tuple[int, Mails]]:
    """Its port, and what it got."""
    got: Mails = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.answer("220 here")
            for line in self.rfile:
                command = line[:4].upper()
                if command == b"DATA":
                    self.answer("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    text = b"".join(lines).decode()
                    got.append(message_from_string(text, policy=policy.default))
                self.answer("221 bye" if command == b"QUIT" else "250 well")
                if command == b"QUIT":
                    return

        def answer(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        yield port, got


def body_of(mail: EmailMessage) -> str:
    """Its text, decoded."""
    body = mail.get_body()
    return str(body.get_content()) if body else ""


@contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
