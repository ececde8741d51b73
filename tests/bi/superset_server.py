"""A real Superset of the environment that `make bi` makes: started on SQLite in a folder, asked over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

USER = PASSWORD = "admin"
_CONFIG = """\
SECRET_KEY = "of-a-superset-that-lives-for-one-test"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db?check_same_thread=false"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
PREVENT_UNSAFE_DB_CONNECTIONS = False  # DuckDB's are files, which it refuses by default
"""


@dataclass(frozen=True)
class Superset:
    """A running one, and who asks it."""

    url: str
    client: httpx2.Client

    def get(self, path: str, **query: Any) -> Any:
        """The answer of its API."""
        return self._answer(self.client.get(f"/api/v1/{path}", params=query))

    def post(self, path: str, content: Any) -> Any:
        """The answer of its API."""
        return self._answer(self.client.post(f"/api/v1/{path}", json=content))

    def load(self, kind: str, bundle: Path, **passwords: str) -> None:
        """Import a bundle, as `dashboard` (its page) or as `assets`, which replaces everything."""
        field = "formData" if kind == "dashboard" else "bundle"
        form = {"passwords": json.dumps({f"databases/{name}.yaml": text for name, text in passwords.items()})}
        files = {field: (bundle.name, bundle.read_bytes(), "application/zip")}
        self._answer(
            self.client.post(f"/api/v1/{kind}/import/", data={**form, "overwrite": "true"}, files=files)
        )

    def id_of(self, kind: str, uuid: str) -> int:
        """The number that it gave an object."""
        found = self.get(f"{kind}/", q="(page_size:500,columns:!(id,uuid))")["result"]
        return int(next(each["id"] for each in found if each["uuid"] == uuid))

    @staticmethod
    def _answer(answer: httpx2.Response) -> Any:
        assert answer.status_code < 300, f"{answer.request.url}: {answer.status_code} {answer.text[:2000]}"
        return answer.json()


@contextmanager
def running(python: Path, folder: Path) -> Iterator[Superset]:
    """Superset of the environment of this Python, with all it writes in the folder."""
    config = folder / "superset_config.py"
    config.write_text(_CONFIG.format(folder=folder))
    environment = os.environ | {
        "SUPERSET_CONFIG_PATH": str(config),
        "SUPERSET_HOME": str(folder),
        "FLASK_APP": "superset.app:create_app()",
    }
    program = str(python.with_name("superset"))
    person = (
        "--username",
        USER,
        "--password",
        PASSWORD,
        "--firstname",
        "A",
        "--lastname",
        "B",
        "--email",
        "a@b.org",
    )
    for command in (("db", "upgrade"), ("fab", "create-admin", *person), ("init",)):
        subprocess.run([program, *command], env=environment, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "superset.log").open("w")
    server = subprocess.Popen(
        [program, "run", "--port", str(port), "--with-threads"], env=environment, stdout=log, stderr=log
    )
    try:
        url = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=url, timeout=120) as client:
            _wait(client, server)
            who = {"username": USER, "password": PASSWORD, "provider": "db"}
            token = client.post("/api/v1/security/login", json=who).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield Superset(url, client)
    finally:
        server.terminate()
        server.wait()
        log.close()


def _wait(client: httpx2.Client, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert server.poll() is None, "Superset ended"
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError("Superset does not answer")
