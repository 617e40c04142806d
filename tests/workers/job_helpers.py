"""A job for the context, and what it leaves behind."""

from __future__ import annotations

from jobs import reaper
from models.spec import Stage
from tests.jobs import build
from tests.waiting import until


def submit(sessions, *acts, **fields):
    """Submit a job of the script model; returns its id."""
    params = {"acts": list(acts), "gate": "", "image": None, "audio": None} | fields
    return build.submitted(sessions, model="script", queue="script", input=params)


def stored(storage):
    return [found.key for found in storage.list_objects("results/")]


def scratch(context):
    return list(context.settings.scratch.iterdir())


def report_until_stopped(report):
    until(lambda: report(Stage.GENERATING, 1, 2), what="an order to stop")


def take_away(sessions, job_id):
    """Do as the reaper does when a worker was silent for too long."""
    build.expire(sessions, job_id)
    with sessions.begin() as session:
        return reaper.reap(session, max_worker_losses=3)


def steal(sessions, job_id):
    """Take the job away, against the beats that prolong the lease, and let another have it."""
    until(lambda: take_away(sessions, job_id), what="the loss")
    return build.claimed(sessions, job_id, worker="other@test")


class Wrapped:
    """A store that does as the real one, but for what a test changes."""

    def __init__(self, storage):
        self._storage = storage

    def __getattr__(self, name):
        return getattr(self._storage, name)
