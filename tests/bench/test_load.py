"""The load generator measures what a server answers, and its client reads split responses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load.http import ResponseReader


class Handler(BaseHTTPRequestHandler):
    """Answers 200 to GET and 429 to POST, with the Authorization header as body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(200)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(429)

    def log_message(self, *_):
        pass

    def _answer(self, status):
        body = self.headers.get("Authorization", "").encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def generate(*options):
    command = [sys.executable, "-m", "bench.load", *options]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def test_a_number_of_requests_is_sent(url):
    found = generate(url, "--connections", "4", "--count", "50", "--seconds", "30")

    assert found["requests"] == 50
    assert found["bad"] == 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_responses_that_are_not_2xx_are_counted(url):
    found = generate(url, "--method", "POST", "--body", "{}", "--count", "3", "--seconds", "30")

    assert found["bad"] == 3
    assert found["statuses"] == {"429": 3}


def test_a_response_that_arrives_in_pieces_is_read_whole():
    response = b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX: y\r\n\r\nbody"
    reader = ResponseReader()

    complete = [reader.feed(response[at : at + 1]) for at in range(len(response))]

    assert complete == [False] * (len(response) - 1) + [True]
    assert (reader.status, reader.body) == (201, b"body")


def test_a_chunked_response_is_refused():
    reader = ResponseReader()

    with pytest.raises(ValueError, match="chunked"):
        reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
