"""`kinomill demo` and `kinomill up` as processes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.folders import temporary_folder
from tests.waiting import until


@pytest.fixture
def home():
    """A home folder with a space in its path."""
    with temporary_folder("a demo") as folder:
        yield folder


@pytest.fixture
def start(home, tmp_path):
    """Start `kinomill …` with that home; what still runs at the end is killed."""
    started = []

    def launch(*arguments):
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments],
            env=env | {"KINOMILL_HOME": str(home), "COLUMNS": "200"},
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
    launch("down").communicate(timeout=60)


def processes_of(home):
    """Return the processes whose command line or environment names the home."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            known = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if str(home).encode() in known and folder.name != str(os.getpid()):
            found.append((int(folder.name), (folder / "cmdline").read_bytes()))
    return found


def lengths(path):
    with av.open(str(path)) as video:
        frames = sum(1 for _ in video.decode(video=0))
        rate = video.streams.video[0].average_rate
    with av.open(str(path)) as video:
        samples = sum(frame.samples for frame in video.decode(audio=0))
        return frames / rate, samples / video.streams.audio[0].rate


def test_the_demo_creates_a_video_and_stops_what_it_started(start, home, tmp_path):
    demo = start("demo", "--out", str(tmp_path))
    output, _ = demo.communicate(timeout=120)

    assert demo.returncode == 0, output
    (video,) = tmp_path.glob("*.mp4")
    assert str(video) in output
    picture_seconds, sound_seconds = lengths(video)
    assert abs(picture_seconds - 7.1) <= 1 / 25
    assert abs(picture_seconds - sound_seconds) <= 1 / 25
    until(lambda: not processes_of(home), seconds=5, what="the end of every process")


def test_a_killed_demo_does_not_prevent_the_next_one(start, home, tmp_path):
    first = start("demo", "--out", str(tmp_path))
    until(lambda: "Submitted" in first.stdout.readline(), seconds=60, what="the submission")
    first.send_signal(signal.SIGKILL)
    first.wait()

    second = start("demo", "--out", str(tmp_path))
    output, _ = second.communicate(timeout=120)

    assert second.returncode == 0, output
    assert list(tmp_path.glob("*.mp4"))
    until(lambda: not processes_of(home), seconds=5, what="the end of every process")


def test_ctrl_c_stops_all_programs(start, home):
    running = start("up", "--port", str(free()))
    until(lambda: "Kinomill is up" in running.stdout.readline(), seconds=60, what="up")

    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=60)

    assert running.returncode == 0, output
    assert "Kinomill has stopped" in output
    until(lambda: not processes_of(home), seconds=5, what="the end of every process")


def test_down_stops_a_running_up_and_a_second_up_is_refused(start, home):
    running = start("up", "--port", str(free()))
    until(lambda: "Kinomill is up" in running.stdout.readline(), seconds=60, what="up")

    second = start("up", "--port", str(free()))
    refused, _ = second.communicate(timeout=60)
    down = start("down")
    stopped, _ = down.communicate(timeout=60)

    assert second.returncode == 1
    assert "already runs" in refused
    assert f"down --home {shlex.quote(str(home))}`" in refused
    assert "Kinomill has stopped" in stopped
    assert running.wait(timeout=60) == 0
    until(lambda: not processes_of(home), seconds=5, what="the end of every process")


def free():
    from cli.stack import free_port

    return free_port()
