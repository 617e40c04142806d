"""Arguments that are no text, empty, or begin with `~`; terminals that know only ASCII."""

from __future__ import annotations

import os

import pytest

from tests.api.build import MODEL, URLS
from tests.api.build import wav as recording
from tests.jobs.build import submitted
from tests.kinomill.cli.command import kinomill

NOT_TEXT = "x\udcff"
"""How Python shows an argument that is no UTF-8."""


@pytest.mark.parametrize(
    "words",
    [
        ("status", NOT_TEXT),
        ("download", NOT_TEXT),
        ("list", "--model", NOT_TEXT),
        ("list", "--label", f"a={NOT_TEXT}"),
        ("submit", NOT_TEXT, "a=b"),
        ("files", "delete", NOT_TEXT),
        ("batches", "show", NOT_TEXT),
        ("queues", "pause", NOT_TEXT),
    ],
)
def test_what_is_no_text_is_refused_in_one_sentence(server, sessions, words):
    shown = kinomill(*words, KINOMILL_URL=server)

    assert shown.returncode == 2
    assert "\\udcff' cannot be sent: it is not UTF-8 text" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("key", ["", "ä", "a\nb", NOT_TEXT, "k" * 256])
@pytest.mark.parametrize(
    "words", [("submit", MODEL, "a=b"), ("retry", "job_1"), ("batches", "submit", "rows.csv")]
)
def test_a_key_that_protects_nothing_is_refused(words, key):
    shown = kinomill(*words, "--idempotency-key", key)

    assert shown.returncode == 2
    assert "is not a key: write 1 to 255 printable ASCII characters" in shown.stderr


def test_a_file_whose_name_is_no_text_is_sent(server, sessions, tmp_path):
    path = tmp_path / os.fsdecode(b"voice-\xff.wav")
    path.write_bytes(recording())

    uploaded = kinomill("files", "upload", str(path), KINOMILL_URL=server)
    job = kinomill(
        "submit", MODEL, f"image={URLS['image']}", f"audio=@{path}", "--no-wait",
        KINOMILL_URL=server,
    )  # fmt: skip

    assert (uploaded.returncode, job.returncode) == (0, 0), uploaded.stderr + job.stderr
    assert "voice-?.wav" in kinomill("files", "list", KINOMILL_URL=server).stdout


def test_a_terminal_that_knows_only_ascii_gets_escapes(server, sessions):
    submitted(sessions, labels={"who": "Jürgen …"})

    shown = kinomill("list", KINOMILL_URL=server, PYTHONIOENCODING="ascii")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "who=J\\xfcrgen \\u2026" in shown.stdout


def test_a_tilde_that_the_shell_left_is_the_home_folder(server, sessions, tmp_path):
    (tmp_path / "voice.wav").write_bytes(recording())
    rows = tmp_path / "rows.csv"
    rows.write_text(f"image,audio\n{URLS['image']},@~/voice.wav\n")
    home = {"KINOMILL_URL": server, "HOME": str(tmp_path)}

    batch = kinomill("batches", "submit", str(rows), "--model", MODEL, "--no-wait", **home)
    saved = kinomill("batches", "download", batch.stdout.strip(), "--out=~/new/all.zip", **home)

    assert saved.returncode == 0, batch.stderr + saved.stderr
    assert (tmp_path / "new" / "all.zip").exists()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("~/voice.wav", "is not a URL but a file: write @~/voice.wav"),
        ("file:///a/voice.wav", "is a file of this computer: write @/a/voice.wav"),
        ("~nobody-of-this-name/x", "is not a URL; for a file write @PATH"),
        ("@~nobody-of-this-name/x", "no file '~nobody-of-this-name/x'"),
    ],
)
def test_a_path_in_place_of_a_url_is_named(server, tmp_path, value, sentence):
    (tmp_path / "voice.wav").write_bytes(recording())

    shown = kinomill("submit", MODEL, f"audio={value}", KINOMILL_URL=server, HOME=str(tmp_path))

    assert shown.returncode == 2
    assert sentence in shown.stderr


def test_the_option_that_named_the_folder_is_named(server, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("image,audio\n@a.jpg,@b.wav\n")

    shown = kinomill(
        "backfill", str(rows), "--model", MODEL, "--download", "/dev/null", KINOMILL_URL=server
    )

    assert shown.returncode == 1
    assert "--download /dev/null/: no file can be written in /dev/null" in shown.stderr
