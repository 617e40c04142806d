"""Jobs from a terminal."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from sqlalchemy import select

from jobs.tables import Job
from kinomill.cli.output import short_path
from tests.api.build import MODEL, URLS, png
from tests.api.serving import serving
from tests.jobs.build import claimed, submitted
from tests.kinomill.cli.command import kinomill
from tests.kinomill.conftest import VIDEO

FIELDS = [f"{name}={url}" for name, url in URLS.items()]

BASE64 = base64.b64encode(png() * 2).decode()
WRAPPED = base64.encodebytes(png() * 2).decode()


@pytest.fixture
def run(server):
    """Run a command before the real API."""
    return lambda *words: kinomill(*words, KINOMILL_URL=server)


def test_a_webhook_is_part_of_a_submission(run, sessions):
    url = "https://example.com/job-ended"

    shown = run("submit", MODEL, *FIELDS, "--no-wait", "--webhook", url)

    assert shown.returncode == 0, shown.stderr
    with sessions() as session:
        [job] = session.scalars(select(Job))
    assert (job.id, job.webhook_url) == (shown.stdout.strip(), url)
    assert json.loads(run("status", job.id).stdout)["webhook"]["url"] == url


def test_a_submission_that_no_worker_serves_says_so_and_prints_only_the_id(run, sessions):
    shown = run("submit", MODEL, *FIELDS, "--no-wait")

    with sessions() as session:
        [job] = session.scalars(select(Job))
    assert shown.stdout == f"{job.id}\n"
    assert shown.stderr == f"kinomill: no worker serves {MODEL} now: the job waits for one\n"


def test_a_wrong_field_is_named_as_it_is_typed(run, sessions):
    shown = run("submit", MODEL, *FIELDS, "fps=abc", "colour=3")

    assert shown.returncode == 1
    assert shown.stderr.startswith("kinomill: fps: ")
    assert "; colour: there is no such field" in shown.stderr


def test_a_dry_run_says_what_a_job_would_take(run, sessions):
    shown = run("submit", MODEL, *FIELDS, "--dry-run")
    answer = json.loads(run("submit", MODEL, *FIELDS, "--dry-run", "--json").stdout)

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("queue    place ")
    assert "unknown: No job of" in shown.stdout
    assert (answer["dry_run"], answer["gpu_seconds"]) == (True, None)
    with sessions() as session:
        assert list(session.scalars(select(Job))) == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "the server needs a key: set KINOMILL_KEY=km_…"),
        ({"KINOMILL_KEY": "km_nope"}, "the server does not accept the key in KINOMILL_KEY"),
    ],
)
def test_a_refused_key_is_explained_by_its_variable(make_settings, sessions, variables, message):
    with serving(make_settings, auth="keys") as url:
        shown = kinomill("list", KINOMILL_URL=url, **variables)

    assert shown.returncode == 1
    assert message in shown.stderr


def test_a_private_webhook_address_is_refused(run, sessions):
    shown = run("submit", MODEL, *FIELDS, "--no-wait", "--webhook", "http://10.0.0.1/")

    assert shown.returncode == 1
    assert "webhook" in shown.stderr


def test_inputs_are_parsed_by_the_schema_of_the_model(run, sessions):
    shown = run("submit", MODEL, *FIELDS, "fps=30", "loop=hold", "--no-wait")

    assert shown.returncode == 0, shown.stderr
    with sessions() as session:
        [job] = session.scalars(select(Job))
    assert (job.input["fps"], job.input["loop"]) == (30, "hold")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("fps", "'fps' is not FIELD=VALUE"),
        ("x" * 300, "…' is not FIELD=VALUE"),
        ("image=@no.png", "image: no file"),
        ("image=@" + "x" * 300, "image: no file"),
        ("image=@~nobody-here/face.png", "image: no file '~nobody-here/face.png'"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(run, field, message):
    shown = run("submit", MODEL, field)

    assert shown.returncode == 2
    assert message in shown.stderr


def test_a_queued_job_is_canceled_and_deleted(run, sessions):
    job_id = submitted(sessions)

    assert run("cancel", job_id).stdout == "canceled\n"
    assert run("delete", job_id).stdout == "deleted\n"
    with sessions() as session:
        assert session.get(Job, job_id) is None


def test_a_running_job_is_asked_to_stop(run, sessions):
    job_id = submitted(sessions)
    claimed(sessions, job_id)

    assert run("cancel", job_id).stdout == "cancel requested\n"


def test_an_idempotency_key_gives_one_job(run, sessions):
    words = ("submit", MODEL, *FIELDS, "--no-wait", "--idempotency-key", "one")

    assert run(*words).stdout == run(*words).stdout


def test_a_path_in_the_current_folder_is_shown_relative_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert short_path(tmp_path / "out" / "a.mp4") == "out/a.mp4"
    assert short_path(tmp_path.parent / "a.mp4") == str(tmp_path.parent / "a.mp4")
    assert short_path(Path("out/a.mp4")) == "out/a.mp4"


def test_labels_and_time_to_live_are_part_of_a_submission(run, sessions):
    options = ("--label", "team=ads", "--label", "take=a=b", "--ttl", "2h")

    shown = run("submit", MODEL, *FIELDS, "--no-wait", "--json", *options)

    assert json.loads(shown.stdout)["labels"] == {"team": "ads", "take": "a=b"}
    with sessions() as session:
        [job] = session.scalars(select(Job))
    assert job.ttl.total_seconds() == 7200


def test_jobs_are_listed_by_label(run, sessions):
    ids = [
        run("submit", MODEL, *FIELDS, "--no-wait", "--label", f"team={team}").stdout.strip()
        for team in ("ads", "ads", "news")
    ]

    listed = run("list", "--label", "team=ads", "--status", "queued")
    as_json = json.loads(run("list", "--json").stdout)

    assert [line.split()[0] for line in listed.stdout.splitlines()] == [ids[1], ids[0]]
    assert [job["id"] for job in as_json] == ids[::-1]
    assert len(run("list", "--limit", "1").stdout.splitlines()) == 1


def test_a_video_is_downloaded_into_a_folder(run, finished, tmp_path):
    shown = run("download", finished, "--out", f"{tmp_path}/videos/", "--json")

    path = tmp_path / "videos" / f"{finished}.mp4"
    assert path.read_bytes() == VIDEO
    assert json.loads(shown.stdout)["path"] == str(path)


def test_waiting_ends_with_the_job(run, finished, sessions):
    failed = submitted(sessions)
    assert run("cancel", failed).returncode == 0

    good, both = run("wait", finished), run("wait", failed, finished)

    assert (good.returncode, good.stdout) == (0, f"{finished} succeeded\n")
    assert (both.returncode, both.stdout.count("\n")) == (1, 2)
    assert f"{failed} canceled" in both.stdout


def test_waiting_ends_after_the_timeout(run, sessions):
    job_id = submitted(sessions)

    shown = run("wait", job_id, "--timeout", "1")

    assert shown.returncode == 124
    assert "still queued after 1 s" in shown.stderr


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("/dev/null", "is not a regular file"),
        ("face.png/video.mp4", "no file can be written"),
        ("-", "is not a file or a folder"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_before_the_job_is_submitted(
    run, sessions, files, out, message
):
    target = out if out.startswith(("/", "-")) else files["image"].parent / out

    shown = run("submit", MODEL, *FIELDS, f"--out={target}")

    assert shown.returncode == 1
    assert message in shown.stderr
    with sessions() as session:
        assert session.scalars(select(Job)).all() == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{image}", "write @{image}"),
        ("example.com/face.jpg", "write https://example.com/face.jpg"),
        ("@https://example.com/face.jpg", "write it without the @"),
        (BASE64, "is bare base64"),
        (WRAPPED, "is bare base64"),
        (BASE64.rstrip("="), "is bare base64"),
        ("face.jpg", "for a file write @PATH"),
        ("@{folder}", "is a folder"),
    ],
)
def test_each_slip_in_a_media_field_has_its_own_sentence(run, sessions, files, value, message):
    named = {"image": files["image"], "folder": files["image"].parent}
    given = value.format(**named)

    shown = run("submit", MODEL, f"image={given}", f"audio={URLS['audio']}", "--no-wait")

    assert shown.returncode == 2
    assert message.format(**named) in shown.stderr
    with sessions() as session:
        assert session.scalars(select(Job)).all() == []


def test_of_several_jobs_the_unknown_one_is_named_at_once(run, sessions):
    waiting, unknown = submitted(sessions), f"job_{'0' * 32}"

    shown = run("wait", waiting, unknown)

    assert shown.returncode == 1
    assert shown.stderr == f"kinomill: {unknown}: No job of yours has this id.\n"
