"""What commands print to a terminal."""

from __future__ import annotations

import os
import pty
import sys

import pytest

from kinomill.cli.output import command_name, printable, say

HOSTILE = "a\x1b[2J\x9b31m\x07\r\u202egnp\x7f"
SHOWN = r"a\x1b[2J\x9b31m\x07\r\u202egnp\x7f"


@pytest.mark.parametrize(
    ("text", "shown"),
    [(HOSTILE, SHOWN), ("ä 中 🙂", "ä 中 🙂"), ("two\nlines\tand", r"two\nlines\tand"), ("", "")],
)
def test_a_text_of_others_is_escaped(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(("on_path", "shown"), [(True, "kinomill"), (False, ".venv/bin/kinomill")])
def test_the_command_is_named_as_this_folder_starts_it(tmp_path, monkeypatch, on_path, shown):
    script = tmp_path / ".venv" / "bin" / "kinomill"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(script.parent) if on_path else "/nowhere")

    assert command_name() == shown


def test_lines_may_be_kept():
    assert printable("two\nlines\x1b", keep="\n") == "two\nlines\\x1b"


def test_a_terminal_gets_escapes_and_a_pipe_the_text_itself(monkeypatch, capsys):
    say(HOSTILE)
    assert capsys.readouterr().out == f"{HOSTILE}\n"

    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        say(HOSTILE)
        terminal.flush()
        written = b""
        while b"\n" not in written:
            written += os.read(reader, 1000)
    os.close(reader)

    assert written.decode() == f"{SHOWN}\r\n"
