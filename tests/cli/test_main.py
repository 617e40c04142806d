"""What a person sees of the command line: help that suffices, errors in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cli.stack import free_port

COMMANDS = (
    "up", "down", "demo", "submit", "status", "cancel", "models", "backfill", "doctor",
    "api", "worker", "maintenance", "flower", "top", "migrate", "keys",
)  # fmt: skip

FREE_PORT = "a free port"
COMPLETE = {
    "KINOMILL_AUTH": "off",
    "DATABASE_URL": "postgresql://x",
    "REDIS_URL": "redis://x",
    "KINOMILL_STORAGE": "x",
    "KINOMILL_SECRET_KEY": "x" * 32,
}


def kinomill(*arguments, **variables):
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env=env | {"NO_COLOR": "1", "COLUMNS": "200"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command():
    shown = kinomill("--help")

    assert shown.returncode == 0
    for command in COMMANDS:
        assert command in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["status", "job_1"], {"KINOMILL_URL": "http://127.0.0.1:9"}, "KINOMILL_URL"),
        (["api"], {}, "DATABASE_URL"),
        (["api", "--host", "0.0.0.0"], COMPLETE, "KINOMILL_ALLOW_ANONYMOUS"),
        (
            ["api", "--port", FREE_PORT],
            COMPLETE | {"KINOMILL_MODELS": '["nobody"]'},
            "there is no model 'nobody'",
        ),
        (
            ["api", "--port", FREE_PORT],
            COMPLETE | {"KINOMILL_STORAGE": "ftp://x"},
            "gs://bucket/prefix",
        ),
        (["worker"], {}, "KINOMILL_SECRET_KEY is required"),
        (["worker"], COMPLETE | {"KINOMILL_MODELS": '["nobody"]'}, "there is no model 'nobody'"),
        (
            ["worker"],
            COMPLETE | {"KINOMILL_WEIGHTS_PROFILES": "wan2.2-i2w=gguf-q5_0"},
            "KINOMILL_WEIGHTS_PROFILES: there is no model 'wan2.2-i2w'; did you mean 'wan2.2-i2v'?",
        ),
        (
            ["worker"],
            COMPLETE | {"KINOMILL_WEIGHTS_PROFILES": "musetalk=gan", "KINOMILL_MODELS": "musetalk"},
            "KINOMILL_WEIGHTS_PROFILES: musetalk has no profile 'gan'",
        ),
        (["maintenance"], {}, "REDIS_URL"),
        (["flower"], {}, "REDIS_URL"),
        (["migrate"], {"DATABASE_URL": "postgresql://x@127.0.0.1:9/x"}, "database"),
        (["demo", "--image", "/nowhere.jpg"], {}, "/nowhere.jpg"),
        (["submit", "preview-lipsync", "fps"], {}, "FIELD=VALUE"),
        (["submit", "preview-lipsync", "image=@/nowhere.jpg"], {}, "/nowhere.jpg"),
    ],
)
def test_an_error_is_a_sentence_and_never_a_traceback(arguments, variables, words):
    port = str(free_port())
    shown = kinomill(*(port if one == FREE_PORT else one for one in arguments), **variables)

    assert shown.returncode != 0
    assert words in shown.stderr
    assert "Traceback" not in shown.stderr
