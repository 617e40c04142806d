"""`kinomill watch`: a line for each change, the end as an exit code; and why a command waits."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread

from jobs.states import Phase
from tests.api.ending import cancel
from tests.api.events.listener import renew
from tests.jobs.build import claimed, submitted
from tests.kinomill.cli.command import command_line, environment, kinomill
from tests.kinomill.test_stream import end_canceled
from tests.waiting import until


@contextmanager
def watching(url, job_id, folder, *words):
    """`kinomill watch` in a process; gives it and the file of its output."""
    path = folder / "lines"
    with path.open("wb") as out:
        process = subprocess.Popen(
            command_line("watch", job_id, *words), env=environment(KINOMILL_URL=url), stdout=out,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        yield process, path
    process.kill()
    process.communicate()


def test_each_change_is_a_line(server, sessions, tmp_path):
    job_id = submitted(sessions)
    with watching(server, job_id, tmp_path) as (process, out):
        until(lambda: "queued     place 1" in out.read_text(), what="the place")
        lease = claimed(sessions, job_id)
        progress = {"percent": 40.0, "step": 2, "steps": 5}
        renew(sessions, lease, phase=Phase.GENERATING, progress=progress)
        until(lambda: "running    generating  40 %  2/5" in out.read_text(), what="the progress")
        end_canceled(sessions, lease)
        _, said = process.communicate(timeout=30)

    assert process.returncode == 1
    assert f"kinomill: {job_id} canceled" in said
    lines = [line.split("  ", 1)[1] for line in out.read_text().splitlines()]
    assert lines[-1] == "canceled   40 %  2/5", "how far it was"
    assert all(one != other for one, other in pairwise(lines))


def test_with_json_each_line_is_the_job(server, finished):
    shown = kinomill("watch", finished, "--json", KINOMILL_URL=server)

    assert (shown.returncode, shown.stderr) == (0, "")
    [job] = map(json.loads, shown.stdout.splitlines())
    assert (job["id"], job["status"]) == (finished, "succeeded")


def test_a_timeout_and_a_job_that_does_not_exist(server, sessions):
    job_id, url = submitted(sessions), {"KINOMILL_URL": server}

    late = kinomill("watch", job_id, "--timeout", "1", **url)
    unknown = kinomill("watch", "job_" + "0" * 32, **url)

    assert (late.returncode, "still queued after 1 s" in late.stderr) == (124, True)
    assert (unknown.returncode, "No job of yours has this id" in unknown.stderr) == (1, True)


def test_ctrl_c_leaves_the_job_and_says_so(server, sessions, tmp_path):
    job_id = submitted(sessions)
    with watching(server, job_id, tmp_path) as (process, out):
        until(lambda: out.read_text(), what="the first line")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert f"The job goes on. Wait for it with: kinomill wait {job_id}" in said
    assert json.loads(kinomill("status", job_id, KINOMILL_URL=server).stdout)["status"] == "queued"


def test_in_a_terminal_it_is_a_bar(server, sessions):
    job_id = submitted(sessions)
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        command_line("watch", job_id), env=environment(KINOMILL_URL=server, TERM="xterm"),
        stdout=subprocess.PIPE, stderr=inside, text=True,
    )  # fmt: skip
    os.close(inside)
    shown = bytearray()

    def bar():
        shown.extend(os.read(terminal, 4096))
        return b"queued" in shown and b" %" in shown

    until(bar, what="the bar")
    cancel(sessions, job_id)
    reader = Thread(target=lambda: _drain(terminal, shown))
    reader.start()
    process.communicate(timeout=30)
    reader.join(30)
    os.close(terminal)

    assert process.returncode == 1
    assert f"{job_id} canceled".encode() in shown


def _drain(terminal, shown):
    """Read what the process writes until it has ended: then the read fails, as Linux does."""
    while True:
        try:
            shown.extend(os.read(terminal, 4096))
        except OSError:
            return


class Busy(BaseHTTPRequestHandler):
    """Refuses everything, because its store is full."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.do_GET()

    def do_GET(self):
        problem = {"code": "storage_full", "detail": "The store is full.", "retryable": True}
        content = json.dumps(problem).encode()
        self.send_response(503)
        self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def serving_busy():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_command_says_why_it_waits_and_how_to_stop():
    with serving_busy() as url:
        shown = kinomill("retry", "job_1", KINOMILL_URL=url)

    assert shown.returncode == 1
    *waits, last = shown.stderr.splitlines()
    assert waits == ["kinomill: The store is full; trying again in 1 s, Ctrl-C stops"] * 3
    assert last == "kinomill: The store is full."


def test_a_backfill_says_why_it_waits_before_its_first_row(tmp_path):
    (tmp_path / "rows.csv").write_text("image\nf.jpg\n")
    with serving_busy() as url:
        process = subprocess.Popen(
            command_line("backfill", tmp_path / "rows.csv", "--model", "m"),
            env=environment(KINOMILL_URL=url), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        first = process.stdout.readline()
        process.kill()
        process.communicate()

    assert first == "The store is full; next try in 1 s\n"
