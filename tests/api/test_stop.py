"""A stop waits for no caller: waits are answered at once, the rest is cut, nothing hangs."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import yaml

from api.server import CUT_SECONDS, STOP_SECONDS
from tests.api.build import job_body
from tests.api.connections.echo import answered, connect, rest
from tests.api.program import program, seconds_to_stop

ROOT = Path(__file__).parents[2]
UPLOAD = (
    b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n"
    b"Content-Length: 9000000\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
)


class Uploads(threading.Thread):
    """An upload that never ends, and what it was answered."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self._opened = connect(port, UPLOAD)
        self.response = b""
        self.reset = False
        """Whether the connection was cut before the answer was read, which TCP allows."""

    def run(self):
        sender = threading.Thread(target=self._send, daemon=True)
        sender.start()
        try:
            self.response = rest(self._opened)
        except ConnectionResetError:
            self.reset = True

    def _send(self):
        try:
            while True:
                self._opened.sendall(b"x" * 2000)
                time.sleep(0.1)
        except OSError:
            return


def test_waits_are_answered_at_once_and_uploads_are_cut(make_settings, sessions, tmp_path):
    with program(make_settings(), tmp_path) as (process, port, log), ThreadPoolExecutor() as pool:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
        job_id = client.post("/v1/jobs", json=job_body()).json()["id"]

        def wait(_):
            response = client.get(f"/v1/jobs/{job_id}", params={"wait": 60})
            return response.json()["status"]

        waits = pool.map(wait, range(5))
        upload = Uploads(port)
        upload.start()
        time.sleep(1.5)
        seconds = seconds_to_stop(process)
        states = set(waits)
        upload.join(10)

    assert states == {"queued"}  # the deadline of each is later than that of the program's end
    assert seconds > CUT_SECONDS - 1
    assert upload.reset or answered(upload.response)[1]["code"] == "server_stopping"
    assert "Traceback" not in log.read_text()


def test_an_idle_program_stops_at_once(make_settings, tmp_path):
    with program(make_settings(), tmp_path) as (process, port, _), connect(port, b"GET /"):
        assert seconds_to_stop(process) < CUT_SECONDS  # nothing had to be cut


def test_a_standard_error_that_nobody_reads_holds_neither_requests_nor_the_stop(
    make_settings, tmp_path
):
    read, write = os.pipe()
    with program(make_settings(), tmp_path, stderr=write) as (process, port, _):
        url = f"http://127.0.0.1:{port}/v1/jobs/{'x' * 3000}"
        with httpx.Client(trust_env=False, timeout=5) as client:
            assert {client.get(url).status_code for _ in range(100)} == {404}
        seconds_to_stop(process)
    os.close(read)
    os.close(write)


def test_compose_gives_the_api_longer_than_its_stop_takes():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    assert int(services["api"]["stop_grace_period"].removesuffix("s")) > STOP_SECONDS + 2
