"""A project whose sources tell of one customer, and whose connections know secrets: canaries, to be found where
they belong and nowhere else.

`shop` reads a file with all that can be wrong with a record. `desk` and `faulty` read a service that is slow, busy
and careless, through a plugin of the project. Its records are in a file, so that no line of code holds a canary.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

MAIL, PHONE, NAME = "Canary.Bird@example.org", "+34 611 222 333", "Canary Feathersworth"
TEXT = "my cage was painted turquoise"
TOKEN, SALT = "tok-Turaco/77 plus", "salt-of-the-aviary"
SECRETS = {
    "AIRFLOW_CONN_AVIARY_DESK": json.dumps({"conn_type": "generic", "password": TOKEN}),
    "CX_SALT": SALT,
}
"""The environment of every process that works on the project."""

PERSONAL = tuple(word.lower() for word in (MAIL, PHONE, PHONE.replace(" ", ""), NAME, TEXT))
SECRET = tuple(word.lower() for word in (TOKEN, quote(TOKEN, safe=""), SALT))

PEOPLE = 20
"""Records of `desk.people`."""

TOML = """\
plugins = ["aviary_desk"]

[project]
name = "acme"
timezone = "Europe/Madrid"

[airflow]
retries = 1
retry_delay_seconds = 1

[landing]
checkpoint_seconds = 0

[identity]
salt = { env = "CX_SALT" }

[connections.desk]
connector = "desk"
token = { airflow = "aviary_desk" }
only = ["people"]

[connections.faulty]
connector = "desk"
token = { airflow = "aviary_desk" }
only = ["busy", "careless", "exporting", "refused"]

[connections.shop]
connector = "files"
timezone = "UTC"

[connections.shop.streams.reviews]
path = "reviews.csv"
primary_key = ["review_id"]
pii = ["comment", "mail"]
identifiers = { email = "mail" }

[connections.shop.streams.reviews.to.review]
review_id = "review_id"
rating_value = "score"
worst_rating = "1"
best_rating = "5"
review_body = "comment"
date_published = "created"

[connections.shop.streams.reviews.to.touchpoint]
activity = "'wrote_review'"
channel = "'web'"
occurred_at = "created"
"""

REVIEWS = f"""\
review_id,score,comment,created,mail
r1,5,{TEXT},2026-03-01T10:00:00Z,{MAIL}
r2,{NAME},{TEXT},2026-03-01T11:00:00Z,{MAIL}
r3,9,{TEXT},2026-03-01T12:00:00Z,{MAIL}
r4,{TEXT},{MAIL}
r5,1,{TEXT},2026-03-01T13:00:00Z,{MAIL}
r5,2,{NAME},2026-03-01T13:00:00Z,{MAIL}
r6,4,fine,2026-03-02T12:00:00Z,other@example.org
"""

PLUGIN = '''\
import json
import logging
import os
import time
from datetime import UTC, datetime
from urllib.parse import quote

import structlog
from cxflow import Connection, Connector, Page, Secret, SourceError, Stream, TransientError, hookimpl
from cxflow.connect.patience import waits
from cxflow.errors import JobRunningError

PERSON = {
    "customer_profile": {"profile_id": "id", "full_name": "name", "email": "mail", "phone": "phone"},
    "touchpoint": {"activity": "'contacted_support'", "channel": "'email'", "occurred_at": "seen"},
}


class DeskConnection(Connection):
    token: Secret


class Desk(Connector):
    name = "desk"
    title = "A service that is slow, busy and careless"
    connection_model = DeskConnection
    declared = tuple(
        Stream(
            name=name,
            primary_key=("id",),
            pii=("name", "mail", "phone"),
            identifiers={"email": "mail", "phone": "phone"},
            to=PERSON,
        )
        for name in ("people", "busy", "careless", "exporting", "refused")
    )

    def read(self, stream, window, cursor):
        self.open()
        yield from getattr(self, stream.name)()
        return {}

    def resume(self, stream, window, cursor, checkpoint):
        self.open()
        yield from self.rest_of_people(checkpoint["next"])
        return {}

    def open(self):
        self.people_known = json.loads((self.settings.folder / "people.json").read_text())
        token = self.connection.token.reveal("token").get_secret_value()
        self.url = "https://desk.invalid/people?token=" + quote(token, safe="")

    def page(self, records, checkpoint=None):
        return Page("/people", datetime(2026, 3, 1, tzinfo=UTC), records, checkpoint=checkpoint)

    def people(self):
        """Half of them at once, the rest when the service lets go."""
        half = len(self.people_known) // 2
        yield self.page(self.people_known[:half], {"next": half})
        yield from self.rest_of_people(half)

    def rest_of_people(self, half):
        (self.settings.folder / "reading").write_text(str(os.getpid()))
        while not (self.settings.folder / "go").exists():
            time.sleep(0.05)
        yield self.page(self.people_known[half:])

    def busy(self):
        """Throttled once; what the library says of that quotes the URL and the record."""
        asked_before = self.settings.folder / "asked-before"
        if not asked_before.exists():
            asked_before.touch()
            logging.getLogger("urllib3.connectionpool").warning("Retrying after 429: %s", self.url)
            structlog.get_logger("desk").warning("asked to wait", url=self.url)
            print("waiting for", self.url)
            try:
                raise ConnectionError(f"{self.url}: {self.people_known[0]}")
            except ConnectionError as problem:
                raise TransientError("the desk asks to wait") from problem
        yield self.page(self.people_known[:1])

    def exporting(self):
        """Not yet, to a task that can come back; not soon: Airflow would take the end of the first visit for that of
        the second."""
        asked = self.settings.folder / "asked-for-export"
        if not waits() and not asked.exists():
            asked.touch()
            problem = JobRunningError("the desk works on the export")
            problem.look_again_seconds = 10
            raise problem
        yield self.page(self.people_known[1:2])

    def careless(self):
        """A defect of the plugin, with a record in its words."""
        int(str(self.people_known[0]) + self.url)

    def refused(self):
        """A message with the URL, a cause with the record."""
        try:
            raise KeyError(str(self.people_known[0]))
        except KeyError as problem:
            raise SourceError(f"{self.url} has lost its header", fix=f"open {self.url}") from problem


@hookimpl
def cxflow_connectors():
    return [Desk]
'''


def make(folder: Path) -> Path:
    """Write the project."""
    folder.mkdir(parents=True)
    (folder / "cxflow.toml").write_text(TOML)
    (folder / "aviary_desk.py").write_text(PLUGIN)
    (folder / "reviews.csv").write_text(REVIEWS)
    people = [
        {
            "id": f"P{number}",
            "name": NAME if number == 0 else f"Person {number}",
            "mail": MAIL if number == 0 else f"person{number}@example.org",
            "phone": PHONE if number == 0 else f"+34 600 000 0{number:02}",
            "seen": "2026-03-01T10:00:00Z",
        }
        for number in range(PEOPLE)
    ]
    (folder / "people.json").write_text(json.dumps(people))
    return folder


def found_in(text: str, words: tuple[str, ...] = PERSONAL + SECRET) -> list[str]:
    """Which canaries a text holds."""
    lower = text.lower()
    return [word for word in words if word in lower]
