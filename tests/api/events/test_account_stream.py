"""The stream of an account: its live jobs at first, then all changes, and how a client goes on."""

from __future__ import annotations

import socket
from datetime import timedelta

import httpx
import pytest

from api.app import create_app
from jobs import lease as leases
from jobs import service
from jobs.states import Phase
from tests.api.build import pointers, problem
from tests.api.ending import cancel, fail, succeed
from tests.api.events.listener import listening, renew
from tests.api.program import program
from tests.api.serving import restored_logging, running, serving
from tests.jobs.build import claimed, submitted
from tests.waiting import until


def following(url, **options):
    return listening(url, None, **options)


def named(events):
    """Each event with the id of its job."""
    return [(event.name, event.data.get("id") or event.data.get("job_id")) for event in events]


def test_live_jobs_come_first_then_new_ones_and_their_changes(server, sessions):
    cancel(sessions, submitted(sessions))
    running_job = submitted(sessions)
    lease = claimed(sessions, running_job)
    queued = submitted(sessions)
    submitted(sessions, account="other")

    with following(server) as stream:
        snapshot = stream.until("ready")
        new = submitted(sessions)
        [appeared] = stream.until("job")
        renew(sessions, lease, progress={"percent": 40.0})
        stepped = stream.until("progress")[-1]
        cancel(sessions, queued)
        [*_, done] = stream.until("done")

    assert named(snapshot) == [("job", running_job), ("job", queued), ("ready", None)]
    assert snapshot[-1].data == {"jobs": 2}
    assert (appeared.data["id"], appeared.data["queue"]["position"]) == (new, 3)
    assert (stepped.data["job_id"], stepped.data["percent"]) == (running_job, 40.0)
    assert (done.data["id"], done.data["status"]) == (queued, "canceled")


def test_a_job_is_followed_to_its_result(server, sessions):
    job_id = submitted(sessions)

    with following(server) as stream:
        stream.until("ready")
        lease = claimed(sessions, job_id)
        begun = stream.until("status")[-1]
        with sessions.begin() as session:
            leases.save_preview(session, lease, b"a picture")
        shown = stream.until("preview")[-1]
        answer = httpx.get(f"{server}/v1/jobs/{job_id}/preview", trust_env=False)
        succeed(sessions, job_id, lease)
        done = stream.until("done")[-1]

    assert begun.data["status"] == "running"
    assert shown.data == {
        "job_id": job_id,
        "url": f"{server}/v1/jobs/{job_id}/preview",
        "etag": answer.headers["etag"],
    }
    assert done.data == httpx.get(f"{server}/v1/jobs/{job_id}", trust_env=False).json()


def test_a_job_that_comes_and_ends_within_a_tick_is_seen(server, sessions):
    with following(server) as stream:
        stream.until("ready")
        job_id = submitted(sessions)
        cancel(sessions, job_id)
        events = stream.until("done")

    assert named(events)[-1] == ("done", job_id)


@pytest.mark.parametrize("end", [cancel, fail, succeed])
def test_an_end_is_sent_once(server, sessions, end):
    job_id, later = submitted(sessions), submitted(sessions)
    with following(server) as stream:
        stream.until("ready")
        end(sessions, job_id)
        first = stream.until("done")
        cancel(sessions, later)
        second = stream.until("done")

    assert named(first)[-1] == ("done", job_id)
    assert [each for each in named(second) if each[0] == "done"] == [("done", later)]


def test_a_stream_can_be_filtered_by_labels(server, sessions):
    submitted(sessions, labels={"shot": "1"})
    mine = submitted(sessions, labels={"shot": "2:a", "who": "me"})
    with following(server, label=["shot:2:a", "who:me"]) as stream:
        snapshot = stream.until("ready")
        submitted(sessions, labels={"who": "me"})
        new = submitted(sessions, labels={"shot": "2:a", "who": "me", "more": "x"})
        [appeared] = stream.until("job")

    assert named(snapshot) == [("job", mine), ("ready", None)]
    assert appeared.data["id"] == new


def test_a_stream_of_a_state_has_the_jobs_while_they_are_in_it(server, sessions):
    queued = submitted(sessions)
    with following(server, status="running") as stream:
        snapshot = stream.until("ready")
        lease = claimed(sessions, queued)
        [appeared] = stream.until("job")
        renew(sessions, lease, phase=Phase.ENCODING)
        changed = stream.until("status")[-1]
        succeed(sessions, queued, lease)
        [done] = stream.until("done")

    assert named(snapshot) == [("ready", None)]
    assert (appeared.data["id"], appeared.data["status"]) == (queued, "running")
    assert changed.data["phase"] == "encoding"
    assert done.data["status"] == "succeeded"


def test_a_stream_of_a_final_state_has_the_ends(server, sessions):
    failing, canceled = submitted(sessions), submitted(sessions)
    with following(server, status="failed") as stream:
        stream.until("ready")
        cancel(sessions, canceled)
        fail(sessions, failing)
        events = stream.until("done")

    assert named(events) == [("done", failing)]


def test_a_deleted_job_is_announced(server, sessions):
    job_id = submitted(sessions)
    with following(server) as stream:
        stream.until("ready")
        with sessions.begin() as session:
            session.delete(service.find(session, "local", job_id))
        [deleted] = stream.until("deleted")

    assert deleted.data == {"job_id": job_id}


def test_a_reconnect_gets_the_ends_that_it_missed_also_after_a_restart(
    make_settings, sessions, tmp_path
):
    missed, going_on, long_ago = submitted(sessions), submitted(sessions), submitted(sessions)
    cancel(sessions, long_ago)
    with sessions.begin() as session:
        job = service.find(session, "local", long_ago)
        job.ended_at = job.ended_at.replace(year=2020)
    with (
        program(make_settings(), tmp_path) as (_, port, _),
        following(f"http://127.0.0.1:{port}") as stream,
    ):
        seen = stream.until("ready")[-1].id
    cancel(sessions, missed)
    with (
        program(make_settings(), tmp_path) as (_, port, _),
        following(f"http://127.0.0.1:{port}", seen=seen) as stream,
    ):
        events = stream.until("ready")

    assert named(events) == [("done", missed), ("job", going_on), ("ready", None)]


def test_a_client_that_is_cut_off_within_what_it_missed_gets_the_rest(server, sessions):
    missed = [submitted(sessions) for _ in range(3)]
    for job_id in missed:
        cancel(sessions, job_id)
        with sessions.begin() as session:
            job = service.find(session, "local", job_id)
            job.ended_at -= timedelta(minutes=1)
            seen = job.ended_at.timestamp() - 1

    with following(server, seen=f"{seen:.6f}") as stream:
        [first] = stream.until("done")
    with following(server, seen=first.id) as stream:
        rest = stream.until("ready")
    with following(server, seen=rest[-2].id) as stream:
        nothing = stream.until("ready")

    assert first.data["id"] == missed[0]
    assert {("done", job_id) for job_id in missed[1:]} <= set(named(rest))
    assert named(nothing) == [("ready", None)]


@pytest.mark.parametrize("seen", ["x", "-1", "nan", "1e300", "9" * 100])
def test_an_id_that_is_none_of_ours_is_ignored(server, sessions, seen):
    cancel(sessions, submitted(sessions))

    with following(server, seen=seen) as stream:
        assert named(stream.until("ready")) == [("ready", None)]


def test_a_silent_stream_sends_comments(server, monkeypatch):
    monkeypatch.setattr("api.events.responses.PING_SECONDS", 0.1)
    with following(server) as stream:
        stream.until("ready")
        [ping] = stream.until("comment")

    assert ping.data == "ping"


def test_a_stream_ends_after_an_hour(server, monkeypatch):
    monkeypatch.setattr("api.events.responses.PING_SECONDS", 0.1)
    with following(server) as stream:
        stream.until("ready")
        monkeypatch.setattr("api.events.responses.MAX_SECONDS", 0)
        list(stream)

    assert stream.comments[-1] == "connect again"


def test_a_stop_of_the_server_ends_the_stream(make_settings, sessions, tmp_path):
    submitted(sessions)
    with (
        program(make_settings(), tmp_path) as (process, port, log),
        following(f"http://127.0.0.1:{port}") as stream,
    ):
        stream.until("ready")
        process.terminate()
        list(stream)
        process.wait(10)

    assert stream.comments[-1] == "connect again"
    assert "Traceback" not in log.read_text()


def test_a_caller_who_is_gone_is_not_followed_any_longer(make_settings):
    with restored_logging(), socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(make_settings())
        with running(app, listener):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with following(url) as stream:
                stream.until("ready")
                assert app.state.context.job_changes._account_followers
            changes = app.state.context.job_changes
            until(lambda: not changes._account_followers, what="its end")
            assert not app.state.context.streams._open


def test_streams_of_a_process_are_limited(make_settings, sessions):
    job_id = submitted(sessions)
    with (
        restored_logging(),
        serving(make_settings, max_streams=1) as url,
        following(url) as stream,
    ):
        stream.until("ready")
        for path in ("/v1/events", f"/v1/jobs/{job_id}/events"):
            answer = httpx.get(url + path, trust_env=False)
            assert problem(answer, 503, "streams_full")["retryable"]
            assert answer.headers["retry-after"] == "10"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=done", "/query/status"),
        ("label=x", "/query/label/0"),
        ("label=a:1&label=a:2", "/query/label"),
        ("label=a:" + "x" * 1000, "/query/label/0"),
        ("&".join(f"label=a{number}:1" for number in range(33)), "/query/label"),
        ("since=1", "/query/since"),
        ("last_event_id=" + "1" * 101, "/query/last_event_id"),
    ],
)
def test_a_wrong_filter_is_refused(client, query, pointer):
    assert pointers(problem(client.get(f"/v1/events?{query}"), 422, "invalid_input")) == [pointer]


def test_head_shows_the_headers_and_ends(client):
    answer = client.head("/v1/events")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b""
