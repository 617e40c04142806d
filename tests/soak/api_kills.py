"""Kill the API again and again while it takes submissions: is any accepted job lost or doubled?

`python -m tests.soak.api_kills --kills 50 --rate 500`: exit status 1 if one is. Each submission has
an Idempotency-Key and is sent again with it until it is accepted, as our client does. Every tenth
key is sent by two threads at once. Prints a report as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import defaultdict
from dataclasses import asdict, dataclass

from sqlalchemy import select

from bench.load.http import Client
from bench.service.contestants import BODY, Kinomill
from bench.service.servers import Servers
from jobs.tables import Job
from runtime.database import create_database_engine

THREADS = 16
SHARED_EVERY = 10
"""Every tenth key of a thread is also sent by its neighbor."""
UP_SECONDS = (0.3, 2.0)
"""How long the API takes submissions before it is killed."""
ACCEPTED, UNAVAILABLE = 202, 503


@dataclass
class Report:
    """What was submitted and what became of it."""

    kills: int
    seconds: float
    keys: int
    accepted: int
    accepted_per_second: float
    """While the API was up."""
    retries: int
    lost: list[str]
    """Jobs that were accepted and have no row."""
    doubled: list[str]
    """Keys with more than one job."""

    @property
    def good(self):
        return not self.lost and not self.doubled


class Submitter(threading.Thread):
    """Submits at a steady rate, each submission until it is accepted."""

    def __init__(self, number, service, rate, stopping):
        super().__init__(name=f"submitter {number}", daemon=True)
        self.accepted = []
        """Pairs of a key and the id of the job."""
        self.retries = 0
        self.error = None
        self._number, self._rate, self._stopping = number, rate, stopping
        self._client = Client(service.url, service.headers)

    def run(self):
        try:
            self._submit_all()
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self.error = error
        finally:
            self._client.close()

    def _submit_all(self):
        begin, sent = time.monotonic(), 0
        while not self._stopping.is_set():
            sent += 1
            self._submit(self._key(sent))
            late = time.monotonic() - begin - sent / self._rate
            time.sleep(max(0.0, -late))
            if late > 1:  # the API was down: do not catch up
                begin += late

    def _key(self, sent):
        shared = sent % SHARED_EVERY == 1
        return f"{self._number // 2 * 2 if shared else self._number}-{sent}"

    def _submit(self, key):
        while True:
            try:
                status, job = self._client.call(
                    "POST", "/v1/jobs", BODY.encode(), {"Idempotency-Key": key}
                )
            except OSError:
                self._client.close()
                status, job = UNAVAILABLE, None
            if status == ACCEPTED:
                self.accepted.append((key, job["id"]))
                return
            assert status == UNAVAILABLE, f"{status}: {job}"
            self.retries += 1
            time.sleep(0.05)


def run(*, kills, rate, seed):
    """Start servers and API, submit and kill, and compare the responses with the database."""
    chance = random.Random(seed)
    with Servers() as servers:
        service = Kinomill(servers)
        api, stopping, up = service.start_api(), threading.Event(), 0.0
        submitters = [
            Submitter(number, service, rate / THREADS, stopping) for number in range(THREADS)
        ]
        begin = time.monotonic()
        for submitter in submitters:
            submitter.start()
        for _ in range(kills):
            pause = chance.uniform(*UP_SECONDS)
            time.sleep(pause)
            up += pause
            api.process.kill()
            api.process.wait()
            service.programs.remove(api)
            api = service.start_api()
        stopping.set()
        for submitter in submitters:
            submitter.join(60)
            if submitter.error is not None:
                raise submitter.error
        seconds = time.monotonic() - begin
        rows = stored(service.database_url)
        service.stop()
    return compare(submitters, rows, kills=kills, seconds=seconds, up_seconds=up)


def stored(database_url):
    """The ids of all jobs by their Idempotency-Key."""
    engine, ids = create_database_engine(database_url), defaultdict(set)
    with engine.connect() as connection:
        for key, job_id in connection.execute(select(Job.idempotency_key, Job.id)):
            ids[key].add(job_id)
    engine.dispose()
    return ids


def compare(submitters, rows, *, kills, seconds, up_seconds):
    accepted = [pair for submitter in submitters for pair in submitter.accepted]
    responses = defaultdict(set)
    for key, job_id in accepted:
        responses[key].add(job_id)
    return Report(
        kills=kills,
        seconds=round(seconds, 1),
        keys=len(responses),
        accepted=len(accepted),
        accepted_per_second=round(len(accepted) / up_seconds, 1),
        retries=sum(submitter.retries for submitter in submitters),
        lost=sorted(job_id for key, job_id in accepted if job_id not in rows[key]),
        doubled=sorted(key for key in responses if len(rows[key] | responses[key]) > 1),
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.soak.api_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="default 50")
    parser.add_argument("--rate", type=float, default=500, help="submissions a second (500)")
    parser.add_argument("--seed", type=int, default=1, help="of the times between two kills")
    report = run(**vars(parser.parse_args()))
    sys.stdout.write(json.dumps(asdict(report), indent=2) + "\n")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
