"""Background removal by the client and by the command: one request, or a job that takes longer."""

from __future__ import annotations

import asyncio

import pytest

from jobs.tables import Job
from kinomill import ApiError, AsyncClient, InputFileError, submission
from kinomill.submission import format_of
from kinomill.transport.exchange import Request
from kinomill.transport.options import request_options
from tests.api.build import job_body, png
from tests.api.ending import cancel
from tests.api.jobs.test_background_removal import MODEL, PICTURE
from tests.api.jobs.test_background_removal import ending as ending
from tests.kinomill.cli.command import kinomill


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "photo.png").write_bytes(png())
    return tmp_path / "photo.png"


def last_input(sessions):
    with sessions() as session:
        return session.query(Job.input).order_by(Job.id.desc()).first()[0]


def test_a_picture_is_saved_under_the_name_of_its_job(client, sessions, ending, photo, tmp_path):
    with ending():
        path = client.remove_background(photo, f"{tmp_path}/new/", model=MODEL)

    assert path.read_bytes() == PICTURE
    assert path.parent == tmp_path / "new"
    assert (path.name[:4], path.suffix) == ("job_", ".png")


def test_the_name_of_the_file_chooses_the_format(client, sessions, ending, photo, tmp_path):
    with ending():
        path = client.remove_background(
            photo, tmp_path / "cut.webp", model=MODEL, output="blur", threshold=0.5
        )

    assert path == tmp_path / "cut.webp"
    sent = last_input(sessions)
    assert (sent["format"], sent["output"], sent["threshold"]) == ("webp", "blur", 0.5)


def test_a_picture_that_takes_longer_is_waited_for(
    client, sessions, ending, photo, tmp_path, monkeypatch
):
    monkeypatch.setattr(submission, "WAIT_SECONDS", 0)
    with ending():
        path = client.remove_background(photo, f"{tmp_path}/new/", model=MODEL)

    assert path.read_bytes() == PICTURE
    assert path.suffix == ".png"


@pytest.mark.parametrize(
    ("name", "form"), [("a.JPG", "jpeg"), ("a.png", "png"), ("folder/", None), ("a.mp4", None)]
)
def test_each_extension_of_a_picture_is_a_format(name, form):
    assert format_of(name) == form


def test_a_form_without_files_is_multipart_as_well():
    request = Request("POST", "/", form={"file": "https://example.com/a.png"}, multipart=True)

    options = request_options(request, 1)

    assert options["data"] is None
    assert options["files"] == {"file": (None, "https://example.com/a.png")}


def test_a_job_that_failed_is_an_api_error(client, sessions, ending, photo, tmp_path):
    with ending("canceled"), pytest.raises(ApiError) as failure:
        client.remove_background(photo, tmp_path, model=MODEL)

    assert failure.value.code == "job_without_result"
    assert list(tmp_path.glob("job_*")) == []


def test_a_file_that_is_missing_is_named(client, tmp_path):
    with pytest.raises(InputFileError, match="no file"):
        client.remove_background(str(tmp_path / "none.png"))


def test_the_asyncio_client_does_the_same(server, sessions, ending, photo, tmp_path):
    async def use():
        async with AsyncClient(server) as client:
            return await client.remove_background(photo, tmp_path / "a.png", model=MODEL)

    with ending():
        path = asyncio.run(use())

    assert path.read_bytes() == PICTURE


def test_a_submission_waits_for_its_job(client, sessions, ending):
    body = job_body()
    with ending("canceled"):
        ended = client.submit(body["model"], body["input"], wait=30)
    waiting = client.submit(body["model"], body["input"], wait=0.1)

    assert (ended.status, waiting.status) == ("canceled", "queued")
    cancel(sessions, waiting.id)


def test_the_command_saves_the_picture(server, sessions, ending, photo, tmp_path):
    out = tmp_path / "cut.webp"
    with ending():
        done = kinomill(
            *("remove-background", photo, "output=blur", "--model", MODEL, "--out", out),
            KINOMILL_URL=server,
        )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    assert out.read_bytes() == PICTURE
    assert last_input(sessions)["format"] == "webp"


def test_the_command_says_what_the_model_does_not_take(server, sessions, photo, tmp_path):
    done = kinomill(
        *("remove-background", photo, "colour=red", "--model", MODEL, "--out", tmp_path / "a.png"),
        KINOMILL_URL=server,
    )

    assert done.returncode == 1
    assert "colour" in done.stderr
