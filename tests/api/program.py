"""The API as a program of its own, for what a thread of the tests cannot show: its end."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx

from tests.api.serving import closed_port
from tests.waiting import until


def environment(settings):
    """The variables of these settings."""
    return {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "KINOMILL_STORAGE": settings.storage,
        "KINOMILL_SECRET_KEY": settings.secret_key.get_secret_value(),
    }


@contextmanager
def program(settings, folder, *, files=None, stderr=None, port=None):
    """Run the API; yields its process, its port and its log file, and kills it at the end."""
    port, log = port or closed_port(), folder / "api.log"

    def limit_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    with log.open("w") as target:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "api", "--port", str(port)],
            env=environment(settings),
            stderr=target if stderr is None else stderr,
            preexec_fn=limit_files if files else None,
        )
    try:
        until(lambda: process.poll() is not None or is_ready(port), seconds=60, what="the API")
        yield process, port, log
    finally:
        process.kill()
        process.wait()


def is_ready(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def seconds_to_stop(process, limit=30):
    """Send SIGTERM; returns how long the program took to end."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(limit)
    return time.monotonic() - began
