"""Each row of a file becomes one job, whatever happens to the process that submits them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from jobs.states import Priority
from jobs.tables import Job
from tests.acceptance.pictures import shrunk, wall
from tests.acceptance.sounds import lengthen
from tests.kinomill.gateway import gateway
from tests.waiting import until

MODEL = "preview-lipsync"


@pytest.fixture
def media(tmp_path, photo, voice):
    """A folder with a small face, a wall and a short voice."""
    shrunk(photo, tmp_path / "face.jpg", side=160)
    wall(tmp_path / "wall.png")
    lengthen(voice, tmp_path / "voice.wav", seconds=0.4)
    return tmp_path


@pytest.fixture
def start(stack):
    """Start `kinomill backfill …`; what still runs at the end is killed."""
    started = []

    def launch(*arguments, url=stack.url):
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "backfill", "--model", MODEL, *map(str, arguments)],
            env=env | {"KINOMILL_URL": url, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def backfill(start):
    """Run it to its end; returns the exit code and the output."""

    def run(*arguments, **options):
        process = start(*arguments, **options)
        output, _ = process.communicate(timeout=120)
        assert "Traceback" not in output
        return process.returncode, output

    return run


def row(number, **changes):
    return {"image": "@face.jpg", "audio": "@voice.wav", "fps": 12 + number % 40} | changes


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def folder_of(rows):
    return rows.with_name(rows.name + ".kinomill")


def results(rows):
    return [
        json.loads(line) for line in (folder_of(rows) / "results.jsonl").read_text().splitlines()
    ]


def failures(rows):
    with (folder_of(rows) / "failures.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def journal(rows):
    path = folder_of(rows) / "journal.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def settled(rows):
    return sum('"succeeded"' in line for line in journal(rows))


def count(stack_sessions):
    with stack_sessions() as session:
        return session.scalar(select(func.count()).select_from(Job))


def test_a_run_that_is_killed_twice_submits_each_job_once(start, backfill, media, stack_sessions):
    rows = write_jsonl(media / "rows.jsonl", [row(number) for number in range(60)])
    before = count(stack_sessions)

    for seen in (10, 30):
        process = start(rows)
        until(lambda seen=seen: settled(rows) >= seen, what="some videos")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with (folder_of(rows) / "journal.jsonl").open("a") as file:
        file.write('{"row": 60, "dig')
    code, output = backfill(rows)

    finished = results(rows)
    assert code == 0, output
    assert count(stack_sessions) - before == 60
    assert [result["row"] for result in finished] == list(range(1, 61))
    assert len({result["job"] for result in finished}) == 60
    assert {result["status"] for result in finished} == {"succeeded"}
    assert "60 done, 0 failed" in output


def test_ctrl_c_says_how_to_resume_and_the_videos_are_saved(start, backfill, media, stack_sessions):
    rows = write_csv(media / "rows.csv", [row(number) for number in range(20)])
    before = count(stack_sessions)
    process = start(rows, "--download", media / "videos", "--concurrency", "3")
    until(lambda: settled(rows) >= 2, what="some videos")

    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    code, _ = backfill(rows, "--download", media / "videos")

    assert process.returncode == 130
    assert f"kinomill backfill --model {MODEL} {rows}" in said
    assert code == 0
    assert count(stack_sessions) - before == 20
    assert len(list((media / "videos").glob("*.mp4"))) == 20
    for result in results(rows):
        size = result["result"]["size_bytes"]
        assert (media / "videos" / f"{result['row']:06}.mp4").stat().st_size == size


def test_failures_csv_is_a_rows_file(backfill, media, stack_sessions):
    bad = [row(1, audio="@missing.wav"), row(2, image="@wall.png", key="mine"), row(3, fps=99)]
    rows = write_jsonl(media / "rows.jsonl", [row(0), *bad])
    with rows.open("a") as file:
        file.write("{broken\n")

    code, output = backfill(rows)

    failed = failures(rows)
    assert code == 1
    assert "line 2: bad_row: audio: no file" in output
    assert "line 5: bad_row: is not valid JSON" in output
    assert "1 done, 4 failed" in output
    assert [line["row"] for line in failed] == ["2", "3", "4", "5"]
    assert [line["code"] for line in failed] == ["bad_row", "no_face", "bad_row", "bad_row"]

    before = count(stack_sessions)
    wall_path, file = media / "wall.png", folder_of(rows) / "failures.csv"
    wall_path.unlink()
    os.link(media / "face.jpg", wall_path)
    os.link(media / "voice.wav", media / "missing.wav")
    code, output = backfill(file)

    assert code == 1
    assert count(stack_sessions) - before == 2
    assert "2 done, 2 failed" in output
    assert [line["code"] for line in failures(file)] == ["bad_row", "bad_row"]


def test_a_row_without_a_job_is_tried_again(backfill, media, stack_sessions):
    rows = write_jsonl(media / "rows.jsonl", [row(0), row(1, audio="@late.wav")])
    before = count(stack_sessions)

    first, _ = backfill(rows)
    os.link(media / "voice.wav", media / "late.wav")
    second, output = backfill(rows)

    assert (first, second) == (1, 0), output
    assert count(stack_sessions) - before == 2


def busy(status, seconds):
    def fault(handler, _):
        body = b'{"code": "queue_full", "detail": "The queue is full.", "retryable": true}'
        handler.send_response(status)
        handler.send_header("Content-Type", "application/problem+json")
        handler.send_header("Retry-After", str(seconds))
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return fault


def test_a_busy_api_is_retried(backfill, stack, media, stack_sessions):
    rows = write_jsonl(media / "rows.jsonl", [row(number) for number in range(4)])
    before = count(stack_sessions)
    faults = [busy(429, 1)] * 6 + [busy(503, 1)] * 6

    with gateway(stack.url, faults=faults) as (url, seen):
        began = time.monotonic()
        code, output = backfill(rows, "--concurrency", "2", url=url)

    assert code == 0, output
    assert time.monotonic() - began > 4
    assert "4 done, 0 failed" in output
    assert count(stack_sessions) - before == 4
    assert len(seen) < 60


def test_a_dry_run_checks_every_row_and_submits_nothing(backfill, media, stack_sessions):
    bad = [row(1, fps=0), row(2, loop="twice"), row(3, image="face.jpg"), row(4, color="red")]
    rows = write_jsonl(media / "rows.jsonl", [row(0), *bad])
    before = count(stack_sessions)

    code, output = backfill(rows, "--dry-run")

    assert code == 1
    assert "line 2: fps: must be at least 1" in output
    assert "line 3: loop: must be one of ping_pong, repeat, hold" in output
    assert "line 4: image: 'face.jpg' is not a URL but a file" in output
    assert "line 5: color: is not an input" in output
    assert "1 of 5 rows are valid" in output
    assert count(stack_sessions) == before
    assert not folder_of(rows).exists()


def test_too_many_failures_stop_the_run(backfill, media, stack_sessions):
    rows = write_jsonl(media / "rows.jsonl", [row(number, fps=0) for number in range(9)])

    code, output = backfill(rows, "--max-failures", "3")

    assert code == 2
    assert "Stopped: 3 rows failed" in output
    assert len(failures(rows)) == 3


def test_columns_of_paths_and_ignored_columns(backfill, media, stack_sessions):
    given = {"image": "face.jpg", "audio": "voice.wav", "note": "mine", "openness": "0.5"}
    rows = write_csv(media / "rows.csv", [given])

    refused, why = backfill(rows)
    code, output = backfill(rows, "--files", "image", "--files", "audio", "--ignore", "note")

    assert (refused, code) == (2, 0), output
    assert "--ignore note" in why
    with stack_sessions() as session:
        job = session.get_one(Job, results(rows)[0]["job"])
    assert job.priority == Priority.BACKGROUND
    assert job.input["openness"] == 0.5
    assert job.labels["backfill"]


def test_videos_survive_the_way_of_failures_csv_through_the_same_folder(
    backfill, media, stack_sessions
):
    videos = media / "videos"
    bad = row(1, audio="@late.wav")
    rows = write_csv(media / "rows.csv", [row(0), bad, row(2), row(3, audio="@later.wav")])
    backfill(rows, "--download", videos)
    good = {path.name: path.read_bytes() for path in videos.iterdir()}
    assert good.keys() == {"000002.mp4", "000004.mp4"}

    report = folder_of(rows) / "failures.csv"
    for name in ("late.wav", "later.wav"):
        os.link(media / "voice.wav", media / name)
    mended = report.read_text().replace(",13,", ",19,")
    report.write_text(mended)
    code, output = backfill(report, "--download", videos)
    again, _ = backfill(rows, "--download", videos)

    assert (code, again) == (0, 0), output
    assert report.read_text() == mended
    assert {name: (videos / name).read_bytes() for name in good} == good
    assert {path.name for path in videos.glob("00000?.mp4")} == {
        f"{number:06}.mp4" for number in (2, 3, 4, 5)
    }
    assert [result["row"] for result in results(report)] == [3, 5]
    for result in results(rows) + results(report):
        assert Path(result["path"]).stat().st_size == result["result"]["size_bytes"]


def test_another_file_of_the_name_is_left_alone(backfill, media, stack_sessions):
    rows = write_csv(media / "rows.csv", [row(0)])
    videos = media / "videos"
    videos.mkdir()
    (videos / "000002.mp4").write_bytes(b"mine")

    code, _ = backfill(rows, "--download", videos)

    (result,) = results(rows)
    assert code == 0
    assert (videos / "000002.mp4").read_bytes() == b"mine"
    assert result["path"] == str(videos / f"000002-{result['job']}.mp4")


def test_names_labels_and_notes_come_from_columns(backfill, media, stack_sessions):
    given = row(0) | {"title": "Clip 1", "team": "ads", "note": "=1"}
    rows = write_csv(media / "rows.csv", [given])
    options = ("--name", "title", "--label", "team", "--label", "run=7", "--ignore", "note")

    code, output = backfill(rows, "--download", media / "videos", *options, "--json")

    assert code == 0, output
    assert (media / "videos" / "Clip 1.mp4").exists()
    (result,) = results(rows)
    assert result["columns"] == {"title": "Clip 1", "team": "ads", "note": "=1"}
    with stack_sessions() as session:
        labels = session.get_one(Job, result["job"]).labels
    assert {"team": "ads", "run": "7"}.items() <= labels.items()
    (line,) = csv.DictReader((folder_of(rows) / "results.csv").read_text().splitlines())
    assert (line["title"], line["note"]) == ("Clip 1", "'=1")


def test_results_can_be_read_while_the_run_goes_on(start, media, stack_sessions):
    rows = write_csv(media / "rows.csv", [row(number) for number in range(12)])
    process = start(rows, "--concurrency", "1")
    path = folder_of(rows) / "results.csv"

    until(lambda: path.exists() and len(path.read_text().splitlines()) > 2, what="two results")

    assert process.poll() is None


def test_a_dry_run_asks_the_server(backfill, media, stack_sessions):
    (media / "broken.png").write_bytes(b"no picture")
    both = row(1) | {"video": "https://example.com/v.mp4"}
    rows = write_jsonl(media / "rows.jsonl", [row(0), row(1, image="@broken.png"), both])

    code, output = backfill(rows, "--dry-run", "--label", "run=dry")

    assert code == 1
    assert "line 2: image: " in output
    assert "line 3: " in output
    assert "1 of 3 rows are valid" in output
    with stack_sessions() as session:
        assert not session.scalar(select(Job.id).where(Job.labels.contains({"run": "dry"})))


def test_a_model_without_a_worker_is_a_warning(backfill, media, stack_sessions):
    rows = write_csv(media / "rows.csv", [{"image": "@face.jpg", "audio": "@voice.wav"}])

    code, output = backfill(rows, "--dry-run", "--model", "musetalk")

    assert code == 0, output
    assert "warning: no worker serves musetalk" in output
