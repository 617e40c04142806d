"""No text installs our distributions by name: on PyPI anybody may own the names."""

from __future__ import annotations

import re
import subprocess

from tests.packaging.conftest import ROOT

INSTALL = r"\b(pip3?|pipx|uv|poetry) (install|add|run|tool install)\b"
BY_NAME = re.compile(INSTALL + r"[^\n]*?[\s'\"]kinomill(-server)?(?![-\w/])")


def tracked_text():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".jpg", ".wav", ".mp4"}:
            yield name, path.read_text(errors="replace")


def test_the_pattern_finds_a_bare_name():
    for text in (
        "pip install kinomill",
        "pip install -c x 'kinomill[speech]'",
        "uv add kinomill-server",
    ):
        assert BY_NAME.search(text), text
    for text in ("pip install ./kinomill", "pip install -e ./kinomill -e '.[embedded]'"):
        assert not BY_NAME.search(text), text


def test_no_file_installs_ours_by_name():
    ours = "tests/packaging/test_install_commands.py"
    found = [name for name, text in tracked_text() if name != ours and BY_NAME.search(text)]

    assert found == []


def test_every_install_of_the_server_includes_the_client():
    lines = [
        (name, line)
        for name, text in tracked_text()
        for line in text.splitlines()
        if re.search(r"install\b.* -e ['\"]?\.\[", line)
    ]

    assert lines
    assert [(name, line) for name, line in lines if "-e ./kinomill" not in line] == []
