"""A file server on loopback that uses little CPU: the kernel sends the files (`sendfile`).

It implements what a download needs of the APIs of the Hub and of Cloud Storage. `/count` returns
the numbers of requests and bytes so far. Prints its URL when it is ready.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

import google_crc32c

COMMIT = "c0ffee" + "0" * 34
CHUNK_BYTES = 256 * 1024


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    folder: Path
    rate: float | None = None

    def __init__(self, folder: Path, megabytes_per_second: float | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.rate = megabytes_per_second * 1e6 if megabytes_per_second else None
        self.lock = Lock()
        self.counters = {"requests": 0, "bytes": 0}

    def count(self, **increments: int) -> None:
        with self.lock:
            for name, number in increments.items():
                self.counters[name] += number

    def handle_error(self, *_: Any) -> None:
        """Ignore broken connections: the benchmark kills a client."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == "/count":
            self._send_json(self.server.counters)
            return
        self.server.count(requests=1)
        file = self.server.folder / path.rpartition("/")[2]
        if path.startswith("/storage/v1/b/"):
            self._send_json(metadata(file))
        else:
            self._send_file(file)

    do_HEAD = do_GET

    def _send_json(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, file: Path) -> None:
        size = file.stat().st_size
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = (int(part[1]), int(part[2] or size - 1) + 1) if part else (0, size)
        end = min(end, size)
        self.send_response(206 if part else 200)
        if part:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        known = metadata(file)
        headers = {
            "Content-Length": end - start,
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
            "ETag": f'"{known["sha256"]}"',
            "X-Repo-Commit": COMMIT,
            "X-Linked-Size": size,
            "X-Linked-ETag": f'"{known["sha256"]}"',
            "X-Goog-Hash": f"crc32c={known['crc32c']},md5={known['md5Hash']}",
            "X-Goog-Generation": "1",
        }
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self._send_range(file, start, end)

    def _send_range(self, file: Path, start: int, end: int) -> None:
        rate, begin = self.server.rate, time.monotonic()
        self.connection.settimeout(None)
        with file.open("rb") as opened:
            offset = start
            while offset < end:
                count = min(CHUNK_BYTES if rate else 8 * CHUNK_BYTES, end - offset)
                self.connection.sendfile(opened, offset, count)
                self.server.count(bytes=count)
                offset += count
                if rate:
                    time.sleep(max(0.0, (offset - start) / rate - (time.monotonic() - begin)))


@cache
def metadata(file: Path) -> dict[str, Any]:
    """The metadata of an object in Cloud Storage, plus the SHA-256 that the Hub publishes."""
    sha256, md5, crc = hashlib.sha256(), hashlib.md5(), google_crc32c.Checksum()
    with file.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            for digest in (sha256, md5, crc):
                digest.update(chunk)
    return {
        "kind": "storage#object",
        "bucket": "bench",
        "name": file.name,
        "size": str(file.stat().st_size),
        "generation": "1",
        "metageneration": "1",
        "etag": "CAE=",
        "crc32c": base64.b64encode(crc.digest()).decode(),
        "md5Hash": base64.b64encode(md5.digest()).decode(),
        "sha256": sha256.hexdigest(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.weights.file_server", description=__doc__
    )
    parser.add_argument("folder", type=Path, help="the files to serve")
    parser.add_argument("--rate", type=float, help="limit of each connection in MB/s")
    arguments = parser.parse_args()
    for file in arguments.folder.iterdir():
        metadata(file)
    with Server(arguments.folder, arguments.rate) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
