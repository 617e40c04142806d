"""Reads server-sent events as a browser does."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import httpx

from jobs import lease as leases
from jobs.states import Phase

EVENTS = ("job", "status", "queue", "progress", "preview", "done", "ready", "deleted")


class Event(NamedTuple):
    name: str
    data: dict | str
    id: str | None


class Listener:
    """The events of one stream, one after another."""

    def __init__(self, response):
        self.response = response
        self.comments = []
        self.retry = None
        self._blocks = self._read()

    def __iter__(self):
        return (event for event in self._blocks if event.name != "comment")

    def until(self, name):
        """All events up to the next one of this name; `comment` for a comment."""
        found = []
        for event in self._blocks:
            if event.name in {name, *EVENTS}:
                found.append(event)
            if event.name == name:
                return found
        raise AssertionError(f"the stream ended without {name!r}: {found}")

    def _read(self):
        fields = {}
        for line in self.response.iter_lines():
            name, _, value = line.partition(": ")
            if not line and "data" in fields:
                yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
            if not line:
                fields = {}
            elif not name:
                self.comments.append(value)
                yield Event("comment", value, None)
            elif name == "retry":
                self.retry = int(value)
            else:
                fields[name] = value


def renew(sessions, lease, **changes):
    """Report the progress of a job as its worker does."""
    beat = {"phase": Phase.GENERATING, "progress": {}, "ttl": timedelta(seconds=60)}
    with sessions.begin() as session:
        leases.renew(session, lease, **(beat | changes))


@contextmanager
def listening(url, job_id, *, seen=None, timeout=30, **query):
    """The stream of a job; without one, that of its account."""
    headers = {"Last-Event-ID": seen} if seen else {}
    path = f"/v1/jobs/{job_id}/events" if job_id else "/v1/events"
    with (
        httpx.Client(base_url=url, trust_env=False, timeout=timeout) as client,
        client.stream("GET", path, headers=headers, params=query) as response,
    ):
        yield Listener(response)
