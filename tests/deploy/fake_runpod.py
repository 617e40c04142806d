"""Pods of RunPod's REST API, version 2, as its OpenAPI document of 2026 describes them."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "rpa_test"
POD_KEYS = {
    "args": str, "cloud": str, "cpu": dict, "dataCenterIds": list, "disk": int, "env": dict,
    "globalNetworking": bool, "gpu": dict, "image": str, "mounts": dict, "name": str,
    "ports": list, "registry": str, "startJupyter": bool, "startSsh": bool, "templateId": str,
}  # fmt: skip
"""Fields of a request that creates a pod; any other is refused."""
GPU_KEYS = {
    *("id", "count", "allowedCudaVersions", "minCudaVersion"),
    *("minRamPerGpu", "minVcpuCountPerGpu"),
}
PAGE = 2


def refused(body):
    """Why RunPod refuses this pod; None if it does not."""
    wrong = [name for name, value in body.items() if type(value) is not POD_KEYS.get(name)]
    wrong += [f"gpu.{name}" for name in body.get("gpu", {}) if name not in GPU_KEYS]
    wrong += [name for name in ("name", "image", "gpu") if name not in body]
    wrong += [name for name, value in body.get("env", {}).items() if not isinstance(value, str)]
    return f"Request validation failed: {', '.join(wrong)}" if wrong else None


class FakeRunPod:
    """What the servers answer, and what they were asked."""

    def __init__(self):
        self.pods = []
        self.queues = {"items": []}
        self.created = []
        self.failures = {}
        """Status by method: the answer instead of what it would do."""

    def add(self, status="RUNNING", name="kinomill-worker"):
        number = len(self.pods) + len(self.created)
        self.pods.append({"id": f"pod{number}", "name": name, "status": status})
        return self.pods[-1]["id"]

    @property
    def ids(self):
        return [pod["id"] for pod in self.pods]

    def answer(self, method, target, body):
        path, query = target.path, parse_qs(target.query)
        if method in self.failures:
            return self.failures[method], {"title": "No", "detail": "no capacity", "status": 500}
        if path == "/v1/queues":
            return 200, self.queues
        if method == "GET":
            return 200, self.page(int(query.get("cursor", ["0"])[0]))
        if method == "POST":
            if reason := refused(body):
                return 422, {"title": "Unprocessable Entity", "status": 422, "detail": reason}
            self.created.append(body)
            return 201, {"id": self.add("PROVISIONING", body["name"])}
        self.pods = [pod for pod in self.pods if f"/pods/{pod['id']}" != path]
        return 204, None

    def page(self, start):
        more = start + PAGE < len(self.pods)
        cursor = str(start + PAGE) if more else None
        pods = self.pods[start : start + PAGE]
        return {"pods": pods, "pagination": {"hasNextPage": more, "nextCursor": cursor}}


@contextmanager
def fake_runpod():
    """A server on loopback; `url` is its address."""
    fake = FakeRunPod()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            target = urlsplit(self.path)
            status, content = fake.answer(self.command, target, body)
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                status, content = 401, {"detail": "missing bearer token"}
            data = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = handle_one

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
