"""Following a job by its stream of events, over restarts of the API, and without a stream."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack

import httpx
import pytest

from jobs import lease as leases
from jobs.states import Phase
from kinomill import AsyncClient, Client, JobFailed, NotFound
from kinomill.transport.events import EventSource
from tests.api.ending import cancel
from tests.api.events.listener import listening, renew
from tests.api.program import program
from tests.api.serving import closed_port, serving
from tests.jobs.build import claimed, submitted
from tests.waiting import until


class Waiter:
    """A client that waits in a thread, and what it has seen."""

    def __init__(self, url, job_id):
        self.seen = []
        self.error = None
        self._thread = threading.Thread(target=self._wait, args=(url, job_id), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _wait(self, url, job_id):
        with Client(url) as client:
            try:
                # a poll would take longer than the test: each change comes from the stream
                client.wait(job_id, on_update=self.seen.append, poll_seconds=300)
            except JobFailed as error:
                self.error = error


def test_each_change_is_seen_as_it_happens(server, sessions):
    job_id = submitted(sessions)
    with Waiter(server, job_id) as waiter:
        until(lambda: waiter.seen, what="the job")
        lease = claimed(sessions, job_id)
        until(lambda: waiter.seen[-1].status == "running", what="its start")
        renew(sessions, lease, progress={"percent": 40.0, "step": 2, "steps": 5})
        until(lambda: waiter.seen[-1].progress.percent == 40, what="its progress")
        renew(sessions, lease, phase=Phase.ENCODING)
        until(lambda: waiter.seen[-1].phase == "encoding", what="its phase")
        end_canceled(sessions, lease)

    assert waiter.error.job.status == "canceled"
    assert waiter.seen[-1].raw == httpx.get(f"{server}/v1/jobs/{job_id}", trust_env=False).json()
    assert waiter.seen[0].queue.position >= 1
    assert waiter.seen[-1].started_at is not None


def end_canceled(sessions, lease):
    cancel(sessions, lease.job_id)
    with sessions.begin() as session:
        leases.cancel(session, lease)


def test_a_killed_api_is_followed_by_the_next_one(make_settings, sessions, tmp_path):
    job_id, port = submitted(sessions), closed_port()
    url, settings = f"http://127.0.0.1:{port}", make_settings()
    with ExitStack() as second:
        with program(settings, tmp_path, port=port) as (process, _, _):
            waiter = second.enter_context(Waiter(url, job_id))
            until(lambda: waiter.seen, what="the job")
            process.kill()
        lease = claimed(sessions, job_id)
        _, _, log = second.enter_context(program(settings, tmp_path, port=port))
        until(lambda: waiter.seen[-1].status == "running", seconds=20, what="what it missed")
        end_canceled(sessions, lease)
        until(lambda: f"/v1/jobs/{job_id}/events" in log.read_text(), what="the second stream")
        until(lambda: waiter.error is not None, what="the end of the job")

    assert waiter.error.job.id == job_id
    assert waiter.error.job.status == "canceled"


def test_a_refused_stream_is_replaced_by_polling(make_settings, sessions):
    blocking, job_id = submitted(sessions), submitted(sessions)

    async def wait(url):
        async with AsyncClient(url) as client:
            return [job.status async for job in client.watch(job_id, poll_seconds=0.1)]

    with serving(make_settings, max_streams=1) as url, listening(url, blocking) as stream:
        stream.until("job")
        later = threading.Timer(0.5, cancel, [sessions, job_id])
        later.start()
        with Client(url) as client:
            blocked = [job.status for job in client.watch(job_id, poll_seconds=0.1)]
        statuses = asyncio.run(wait(url))
        later.join()

    assert (blocked[0], blocked[-1], statuses) == ("queued", "canceled", ["canceled"])


def test_the_async_client_follows_the_stream(server, sessions):
    job_id = submitted(sessions)

    async def follow():
        seen = []
        async with AsyncClient(server) as client:
            async for job in client.watch(job_id, poll_seconds=300):
                seen.append(job.status)
                if len(seen) == 1:
                    await asyncio.to_thread(cancel, sessions, job_id)
        return seen

    assert asyncio.run(follow()) == ["queued", "canceled"]


def test_events_that_are_not_read_to_the_end_close_the_stream(make_settings, sessions):
    job_id = submitted(sessions)
    with serving(make_settings, max_streams=1) as url, Client(url) as client:
        for job in client.watch(job_id):
            assert job.status == "queued"
            break
        until(lambda: _opens(url, job_id), what="a free place for a stream")


def _opens(url, job_id):
    with httpx.stream("GET", f"{url}/v1/jobs/{job_id}/events", trust_env=False) as response:
        return response.status_code == 200


def test_a_job_that_does_not_exist_is_not_waited_for(client):
    with pytest.raises(NotFound):
        client.wait("job_" + "0" * 32)


def fed(*lines):
    source = EventSource()
    return source, [source.take() for line in lines if source.feed(f"{line}\n")]


def test_events_are_read_by_their_format():
    source, events = fed(
        ": Kinomill",
        "retry: 500",
        "",
        "event: job",
        "id: 7",
        'data: {"a": 1}',
        "",
        "data:{}",
        "",
        ": ping",
    )

    assert [event and tuple(event) for event in events] == [
        None,
        ("job", {"a": 1}),
        ("message", {}),
        None,
    ]
    assert (source.retry_seconds, source.last_id) == (0.5, "7")


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_events_are_read_however_their_text_arrives(size, end):
    text = "".join(f"{line}{end}" for line in ['data: {"a": "é"}', "", 'data: {"b": 2}', "", ": x"])
    source, events = EventSource(), []
    for start in range(0, len(text), size):
        more = source.feed(text[start : start + size])
        while more:
            events.append(source.take())
            more = source.feed("")

    assert [event and event.data for event in events] == [{"a": "é"}, {"b": 2}, None]


def test_an_update_may_hold_a_character_at_which_python_splits_lines(server, sessions):
    job_id = submitted(sessions, labels={"note": "a\u2028b\x85c"})
    with Waiter(server, job_id) as waiter:
        until(lambda: waiter.seen, what="the job")
        lease = claimed(sessions, job_id)
        until(lambda: waiter.seen[-1].status == "running", what="its start")
        end_canceled(sessions, lease)

    assert waiter.seen[-1].labels == {"note": "a\u2028b\x85c"}


@pytest.mark.parametrize("data", ["", "{", "7", "[]", "null"])
def test_data_that_is_no_object_is_no_event(data):
    assert fed("event: job", f"data: {data}", "")[1] == []
