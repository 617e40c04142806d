"""Files from a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from tests.api.build import MODEL, URLS, png, wav
from tests.kinomill.cli.command import command_line, environment, kinomill


@pytest.fixture
def run(server):
    """Run a command before the real API."""
    return lambda *words: kinomill(*words, KINOMILL_URL=server)


@pytest.fixture
def media(tmp_path):
    (tmp_path / "face.png").write_bytes(png(90, 91))
    (tmp_path / "long.wav").write_bytes(wav(seconds=600))
    return tmp_path


def test_files_are_uploaded_named_listed_and_deleted(run, media):
    sent = run("files", "upload", media / "face.png", media / "long.wav")

    assert sent.returncode == 0, sent.stderr
    assert sent.stderr == ""
    face, long = (line.split()[0] for line in sent.stdout.splitlines())
    job = run("submit", MODEL, f"image={face}", f"audio={URLS['audio']}", "--no-wait")
    assert job.returncode == 0, job.stderr
    listed = {line.split()[0]: line for line in run("files", "list").stdout.splitlines()}
    assert listed[face].endswith("face.png")
    assert "audio/wav" in listed[long]
    refused = run("files", "delete", face)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"kinomill: {face}: The file is not deleted")
    assert "waiting row of a batch needs it" in refused.stderr
    assert run("files", "delete", long).stdout == f"{long} deleted\n"
    assert long not in run("files", "list", "--all").stdout


def test_the_same_content_is_sent_once(run, media):
    first, second = (
        json.loads(run("files", "upload", media / "face.png", "--json").stdout) for _ in range(2)
    )
    other = json.loads(run("files", "upload", media / "face.png", "--new", "--json").stdout)

    assert first["id"] == second["id"]
    assert other["id"] != first["id"]


@pytest.mark.parametrize("words", [("upload",), ("delete",), ("list", "x"), ("nonsense",), ()])
def test_wrong_arguments_end_with_2(run, words):
    shown = run("files", *words)

    assert shown.returncode == 2
    assert "kinomill files --help" in shown.stderr


def test_a_missing_file_is_named(run):
    shown = run("files", "upload", "nowhere.png")

    assert shown.returncode == 1
    assert "no file 'nowhere.png'" in shown.stderr


def test_what_is_no_media_is_refused(run, media):
    (media / "a.txt").write_text("hello")

    shown = run("files", "upload", media / "a.txt")

    assert shown.returncode == 1
    assert "not a media file" in shown.stderr


def test_a_terminal_shows_a_bar(server, media):
    terminal, end = pty.openpty()
    words = command_line("files", "upload", media / "long.wav", "--new")
    variables = environment(KINOMILL_URL=server, TERM="xterm")

    with subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, stderr=end) as process:
        out, _ = process.communicate(timeout=60)
    os.close(end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)

    assert process.returncode == 0
    assert out.startswith(b"file_")
    assert "long.wav" in shown
    assert "19.2/19.2 MB" in shown
