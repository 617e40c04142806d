"""Signals that end a command: nothing unfinished is left behind."""

from __future__ import annotations

import signal
import subprocess
import threading

import pytest

from tests.kinomill.cli.command import command_line, environment
from tests.kinomill.gateway import gateway
from tests.waiting import until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_download_that_is_ended_leaves_no_partial_file(server, finished, tmp_path, number):
    ended = threading.Event()

    def stalls(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"a" * 1000)
        ended.wait(30)

    with gateway(server, faults=[stalls]) as (url, _):
        process = subprocess.Popen(
            command_line("download", finished, "--out", tmp_path / "out" / "video.mp4"),
            env=environment(KINOMILL_URL=url),
            # as of a terminal, also where this test runs with `nohup` or in the background
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
        )
        until(lambda: list(tmp_path.glob("out/.*.part")), what="the partial file")
        process.send_signal(number)
        code = process.wait(timeout=30)
        ended.set()

    assert code == 130
    assert not list(tmp_path.glob("out/.*"))
