"""Every line that API, worker and maintenance write: valid, documented, once, without secrets."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from docs.log_events import OPEN, events, field_meanings
from jobs.tables import Attempt
from kinomill import Client, JobFailed
from runtime.database import create_database_engine
from tests.acceptance.pictures import wall
from tests.acceptance.sounds import lengthen
from tests.api.serving import closed_port
from tests.folders import temporary_folder
from tests.running_stack import running_stack
from tests.waiting import until

pytestmark = pytest.mark.slow
MODEL = "preview-lipsync"
PLANTED = {
    "KINOMILL_SECRET_KEY": "planted-signing-key-of-32-letters-and-more",
    "AWS_SECRET_ACCESS_KEY": "planted-bucket-secret",
    "HF_TOKEN": "hf_plantedtokenofthehub",
    "OTHER_PASSWORD": "planted-other-password",
}
PROMPT = "Planted words that a person has spoken, of no interest to operators"
SIGNED = "planted-signature-of-a-link"
HEADER = "km_plantedkeyofaheader123"
HOOK = "planted-path-of-a-webhook"


@pytest.fixture(scope="module")
def mill():
    """A stack of its own that logs JSON, with secrets planted in its settings."""
    variables = {
        **PLANTED,
        "KINOMILL_LOG_FORMAT": "json",
        "KINOMILL_FETCH_NETWORKS": "127.0.0.0/8",
        "KINOMILL_FETCH_ALLOW_HTTP": "true",
        "KINOMILL_ODD": "1",
    }
    with temporary_folder("logs") as home, running_stack(home, variables) as running:
        yield running


@pytest.fixture(scope="module")
def written(mill, tmp_path_factory):
    """What the programs wrote while jobs succeeded, failed, were canceled and lost; their ids."""
    folder = tmp_path_factory.mktemp("inputs")
    ids = drive(mill, folder)
    for program in mill.programs:
        program.ask_to_stop()
    for program in mill.programs:
        program.await_end()
    logs = {name: (mill.home / "logs" / f"{name}.log").read_text() for name in NAMES}
    return logs, ids


NAMES = ("api", "maintenance", "worker")


def drive(mill, folder):
    examples = Path(__file__).parents[2] / "cli" / "examples"
    photo, voice = examples / "face.jpg", examples / "voice.wav"
    long = lengthen(voice, folder / "long.wav", times=12)
    dead = f"http://127.0.0.1:{closed_port()}"
    with Client(mill.url) as client:
        good = client.submit(MODEL, image=photo, audio=voice, webhook=f"{dead}/{HOOK}")
        client.wait(good)
        talking = client.submit("preview-talking", image=photo, text=PROMPT)
        bad = client.submit(MODEL, image=wall(folder / "wall.png"), audio=voice)
        link = client.submit(MODEL, image=f"{dead}/a.jpg?sig={SIGNED}", audio=voice)
        odd = f"{dead}/a.jpg?X-Amz-Credential={SIGNED}%2Fx&Odd-Name={SIGNED}"
        signed = client.submit(MODEL, image=odd, audio=voice)
        for job in (talking, bad, link, signed):
            try:
                client.wait(job)
            except JobFailed:
                continue
        canceled = client.submit(MODEL, image=photo, audio=long)
        until(lambda: client.get(canceled).phase == "generating", what="generating")
        client.cancel(canceled)
        until(lambda: client.get(canceled).status == "canceled", what="the cancel")
        killed = client.submit(MODEL, image=photo, audio=long)
        until(lambda: client.get(killed).phase == "generating", what="generating")
        kill_child(mill, killed.id)
        until(lambda: client.get(killed).attempt == 2, what="the second attempt")
        client.cancel(killed)
        until(lambda: client.get(killed).status == "canceled", what="the cancel")
    headers = {"Authorization": f"Digest response={HEADER}", "Cookie": f"session={HEADER}"}
    for path in (
        f"/v1/jobs?odd-name={SIGNED}&password={HEADER}",
        f"/v1/jobs/https%3A%2F%2Fme:{SIGNED}@host%2Fx",
        f"/v1/jobs?token={SIGNED}",
        f"/shared/{SIGNED}",
        f"/v1/files/{HEADER}",
    ):
        httpx.get(f"{mill.url}{path}", headers=headers, trust_env=False)
    return {
        name: job.id
        for name, job in {
            "good": good, "talking": talking, "bad": bad,
            "link": link, "canceled": canceled, "killed": killed,
        }.items()
    }  # fmt: skip


def kill_child(mill, job_id):
    engine = create_database_engine(mill.database_url)
    with engine.connect() as connection:
        pid = connection.scalar(select(Attempt.pid).where(Attempt.job_id == job_id))
    engine.dispose()
    os.kill(pid, signal.SIGKILL)


def lines_of(written, name):
    return [json.loads(line) for line in written[0][name].splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_each_line_is_one_json_object_of_documented_fields(written, name):
    meanings = field_meanings()
    context = set(meanings["context"])
    lines = lines_of(written, name)

    assert lines
    for line in lines:
        assert {"timestamp", "level", "event"} <= set(line), line
        if "logger" in line:
            continue
        event = events()[line["event"].partition(" (further lines")[0]]
        unknown = set(line) - context - event.fields
        assert not unknown or OPEN in event.fields, line


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_in_any_line(written, name):
    text = written[0][name]

    for secret in (*PLANTED.values(), SIGNED, HEADER, HOOK, PROMPT, PROMPT.lower()):
        assert secret not in text


@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_there_twice(written, name):
    lines = lines_of(written, name)
    same = Counter(
        json.dumps(line | {"timestamp": line["timestamp"][:22]}, sort_keys=True) for line in lines
    )

    assert [line for line, count in same.items() if count > 1] == []


def test_the_access_log_leads_from_a_request_to_its_job(written):
    requests = [line for line in lines_of(written, "api") if line["event"] == "request"]
    submits = {line["job"]: line for line in requests if "job" in line}

    assert set(written[1].values()) <= set(submits)
    good = submits[written[1]["good"]]
    assert (good["model"], good["status"]) == (MODEL, 202)
    assert 0 < good["seconds"] < 60
    assert good["request_id"]
    missing = next(line for line in requests if line["path"].startswith("/v1/files/"))
    assert missing["status"] in {404, 405}
    assert missing["code"]


def test_each_attempt_begins_and_ends_in_one_line(written):
    ids, lines = written[1], lines_of(written, "worker")
    ends = {
        (line["job"], line["attempt"]): line for line in lines if line["event"] == "attempt ended"
    }
    counted = Counter(
        (line["event"], line["job"], line["attempt"])
        for line in lines
        if line["event"] in {"attempt started", "attempt ended"}
    )

    assert set(counted.values()) == {1}
    good = ends[ids["good"], 1]
    assert (good["outcome"], good["code"], good["model"]) == ("succeeded", None, MODEL)
    assert good["account"] == "local"
    assert good["bytes_in"] > 100_000 < good["bytes_out"]
    assert {"fetching_inputs", "generating", "uploading"} <= set(good["phases"])
    assert abs(sum(good["phases"].values()) - good["seconds"]) < 0.5 + 0.1 * good["seconds"]
    assert good["queue_seconds"] >= 0
    assert (ends[ids["bad"], 1]["outcome"], ends[ids["bad"], 1]["code"]) == ("failed", "no_face")
    assert ends[ids["canceled"], 1]["outcome"] == "canceled"
    assert (ids["killed"], 1) not in ends
    assert [line["job"] for line in lines if line["event"] == "child lost"] == [ids["killed"]]


def test_libraries_and_maintenance_speak_in_the_same_form(written):
    lines = {name: lines_of(written, name) for name in NAMES}

    assert {line["logger"] for line in lines["api"] if "logger" in line} >= {"uvicorn.error"}
    assert not any(line.get("logger") == "celery.app.trace" for line in lines["worker"])
    assert "multiprocessing" in {line.get("logger") for line in lines["worker"]}
    assert [line["event"] for line in lines["worker"]].count("worker drains") == 1
    failed = [line for line in lines["maintenance"] if line["event"] == "webhook failed"]
    assert failed
    assert failed[0]["job"] == written[1]["good"]
    for name in NAMES:
        unknown = [line for line in lines[name] if line["event"] == "unknown setting"]
        assert [one["detail"].split()[0] for one in unknown] == ["KINOMILL_ODD"]
