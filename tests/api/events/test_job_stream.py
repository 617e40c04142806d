"""The stream of one job: the job at first, its changes, its end, and how a client goes on."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.app import create_app
from jobs import lease as leases
from jobs.states import Phase
from tests.api.build import pointers, problem
from tests.api.ending import RESULT, cancel, fail, succeed
from tests.api.events.listener import listening, renew
from tests.api.program import program
from tests.api.serving import restored_logging, running
from tests.jobs.build import claimed, submitted
from tests.waiting import until


def test_a_job_is_followed_from_the_queue_to_its_result(server, sessions):
    job_id = submitted(sessions)

    with listening(server, job_id) as stream:
        [first] = stream.until("job")
        lease = claimed(sessions, job_id)
        begun = stream.until("status")
        renew(sessions, lease, progress={"percent": 40.0, "step": 2, "steps": 5})
        stepped = stream.until("progress")
        with sessions.begin() as session:
            leases.save_preview(session, lease, b"a picture")
        shown = stream.until("preview")[-1]
        with sessions.begin() as session:
            leases.succeed(session, lease, result=RESULT, timings={"generating": 1.5})
        rest = list(stream)

    assert stream.retry == 3000
    assert first.data["id"] == job_id
    assert (first.data["status"], first.data["queue"]["position"]) == ("queued", 1)
    assert begun[-1].data["status"] == "running"
    assert begun[-1].data["attempt"] == 1
    assert stepped[-1].data["percent"] == 40.0
    assert shown.data["url"].endswith(f"/v1/jobs/{job_id}/preview")
    assert rest[-1].name == "done"
    assert rest[-1].data == httpx.get(f"{server}/v1/jobs/{job_id}", trust_env=False).json()
    assert "queue" in {event.name for event in [*begun, *stepped]}


def test_the_etag_of_a_preview_is_that_of_its_response(server, sessions):
    lease = claimed(sessions, submitted(sessions))
    with sessions.begin() as session:
        leases.save_preview(session, lease, b"one")

    with listening(server, lease.job_id) as stream:
        stream.until("job")
        with sessions.begin() as session:
            leases.save_preview(session, lease, b"two")
        [*_, shown] = stream.until("preview")
        answer = httpx.get(f"{server}/v1/jobs/{lease.job_id}/preview", trust_env=False)

    assert shown.data["etag"] == answer.headers["etag"]
    assert answer.content == b"two"


@pytest.mark.parametrize("end", [cancel, fail, succeed])
def test_a_job_that_has_ended_is_sent_and_the_stream_ends(server, sessions, end):
    job_id = submitted(sessions)
    end(sessions, job_id)

    with listening(server, job_id) as stream:
        events = list(stream)

    assert [event.name for event in events] == ["job", "done"]
    assert events[0].data == events[1].data


def test_a_reconnect_after_the_end_is_told_to_stop(server, sessions):
    job_id = submitted(sessions)
    cancel(sessions, job_id)
    with listening(server, job_id) as stream:
        done = stream.until("done")[-1]

    again = [
        httpx.get(f"{server}/v1/jobs/{job_id}/events", trust_env=False, **options)
        for options in (
            {"headers": {"Last-Event-ID": done.id}},
            {"params": {"last_event_id": done.id}},
        )
    ]

    assert [answer.status_code for answer in again] == [204, 204]


def test_a_client_that_is_cut_off_before_the_end_gets_it(server, sessions):
    job_id = submitted(sessions)
    cancel(sessions, job_id)

    with listening(server, job_id) as stream:
        [first] = stream.until("job")
    with listening(server, job_id, seen=first.id) as stream:
        done = stream.until("done")[-1]

    assert done.data["status"] == "canceled"


def test_a_reconnect_gets_what_it_missed_and_nothing_twice(server, sessions, monkeypatch):
    monkeypatch.setattr("api.events.responses.PING_SECONDS", 0.1)
    lease = claimed(sessions, submitted(sessions))
    with listening(server, lease.job_id) as stream:
        seen = stream.until("job")[-1].id
    with listening(server, lease.job_id, seen=seen) as stream:
        stream.until("comment")
        [nothing_but_a_ping] = stream.until("comment")
    renew(sessions, lease, phase=Phase.ENCODING)
    with listening(server, lease.job_id, seen=seen) as stream:
        [missed] = stream.until("job")

    assert nothing_but_a_ping.data == "ping"
    assert missed.data["phase"] == "encoding"


def test_an_id_survives_a_restart_of_the_api(make_settings, sessions, tmp_path):
    job_id = submitted(sessions)
    cancel(sessions, job_id)
    with (
        program(make_settings(), tmp_path) as (_, port, _),
        listening(f"http://127.0.0.1:{port}", job_id) as stream,
    ):
        seen = stream.until("done")[-1].id
    with (
        program(make_settings(), tmp_path) as (_, port, _),
        listening(f"http://127.0.0.1:{port}", job_id, seen=seen) as stream,
    ):
        assert stream.response.status_code == 204


def test_a_stop_of_the_server_ends_the_stream(make_settings, sessions, tmp_path):
    job_id = submitted(sessions)
    with (
        program(make_settings(), tmp_path) as (process, port, log),
        listening(f"http://127.0.0.1:{port}", job_id) as stream,
    ):
        stream.until("job")
        process.terminate()
        rest = list(stream)
        process.wait(10)

    assert rest == []
    assert stream.comments[-1] == "connect again"
    assert "Traceback" not in log.read_text()


def test_a_caller_who_is_gone_is_not_followed_any_longer(make_settings, sessions):
    job_id = submitted(sessions)
    with restored_logging(), socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(make_settings())
        with running(app, listener):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with listening(url, job_id) as stream:
                stream.until("job")
                assert app.state.context.job_changes._followers
            until(lambda: not app.state.context.job_changes._followers, what="its end")
            assert not app.state.context.streams._open


def test_streams_of_an_account_are_limited(make_settings, sessions):
    job_id = submitted(sessions)
    with restored_logging(), socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            running(create_app(make_settings(max_streams_per_account=1)), listener),
            listening(url, job_id) as stream,
        ):
            stream.until("job")
            answer = httpx.get(f"{url}/v1/jobs/{job_id}/events", trust_env=False)

    assert problem(answer, 429, "too_many_streams")["retryable"]
    assert answer.headers["retry-after"] == "10"


def test_a_burst_of_streams_is_limited_too(make_settings, sessions):
    job_id = submitted(sessions)
    threads = ThreadPoolExecutor(20)
    with restored_logging(), socket.create_server(("127.0.0.1", 0)) as listener, threads:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/jobs/{job_id}/events"
        with running(create_app(make_settings(max_streams_per_account=5)), listener):
            together = threading.Barrier(20)
            stopped = threading.Event()

            def open_stream(_):
                together.wait(10)
                with httpx.stream("GET", url, trust_env=False, timeout=30) as response:
                    if response.status_code == 200:
                        stopped.wait(30)
                    return response.status_code

            opened = [threads.submit(open_stream, number) for number in range(20)]
            until(lambda: sum(each.done() for each in opened) >= 15, what="15 refusals")
            stopped.set()
            statuses = Counter(each.result(30) for each in opened)

    assert statuses == {200: 5, 429: 15}


def test_head_shows_the_headers_and_ends(server, sessions):
    answer = httpx.head(f"{server}/v1/jobs/{submitted(sessions)}/events", trust_env=False)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"


def test_another_job_is_not_found_and_another_parameter_refused(client):
    problem(client.get("/v1/jobs/job_0/events"), 404, "job_not_found")
    answer = problem(client.get("/v1/jobs/job_0/events?since=1"), 422, "invalid_input")

    assert pointers(answer) == ["/query/since"]
