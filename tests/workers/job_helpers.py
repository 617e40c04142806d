"""Submit jobs to a worker's context, take their lease away, and see what they leave behind."""

from __future__ import annotations

from jobs import reaper
from models.spec import Stage
from storage.upload import put_one_by_one
from tests.jobs import build
from tests.waiting import until
from workers.child.run_job import run_job


def submit(sessions, *acts, **fields):
    """Submit a job of the script model; returns its id."""
    params = {"acts": list(acts), "gate": "", "image": None, "audio": None} | fields
    return build.submitted(sessions, model="script", queue="script", input=params)


def run_next(context, _):
    """Run the job of the script model that was just submitted."""
    return run_job("script", context)


def stored(storage):
    return [found.key for found in storage.list_objects("results/")]


def scratch(context):
    return list(context.settings.scratch.iterdir())


def report_until_stopped(report):
    until(lambda: report(Stage.GENERATING, 1, 2), what="an order to stop")


def expire_lease(sessions, job_id):
    """Expire the lease and run the reaper."""
    build.expire(sessions, job_id)
    with sessions.begin() as session:
        return reaper.reap(session, max_worker_losses=3)


def lose_lease(sessions, job_id):
    """Let the lease expire, although heartbeats renew it, and let another worker claim the job."""
    until(lambda: expire_lease(sessions, job_id), what="the loss")
    return build.claimed(sessions, job_id, worker="other@test")


class StorageWrapper:
    """A real object storage of which a test overrides some methods, and puts files as a bucket."""

    def __init__(self, storage):
        self._storage = storage

    def __getattr__(self, name):
        return getattr(self._storage, name)

    def put_all(self, objects, report):
        return put_one_by_one(self, objects, report)
