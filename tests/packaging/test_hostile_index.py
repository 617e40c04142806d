"""No install takes a foreign `kinomill` or `kinomill-server` from a package index."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

import kinomill
from tests.packaging.conftest import checkout, pip

pytestmark = pytest.mark.slow

VERSIONS = (kinomill.__version__, "99.0")
"""The version of the checkout, and one that pip prefers to it."""


def wheel(distribution, version):
    """A pure wheel whose package can be recognized as the hostile one."""
    name = distribution.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    files = {
        f"{name}/__init__.py": b"HOSTILE = True\n",
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},{digest(content)},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for path, content in files.items():
            zipped.writestr(path, content)
    return archive.getvalue()


def digest(content):
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={encoded.rstrip(b'=').decode()}"


@pytest.fixture
def index():
    """A simple index (PEP 503) on this machine that records the requested paths."""
    files = {
        f"/simple/{name}/{name.replace('-', '_')}-{version}-py3-none-any.whl": wheel(name, version)
        for name in ("kinomill", "kinomill-server")
        for version in VERSIONS
    }
    requested = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append(self.path)
            if self.path in files:
                self.respond(files[self.path])
                return
            links = [path for path in files if path.startswith(self.path) and self.path != "/"]
            page = "".join(f'<a href="{path}">{path.split("/")[-1]}</a>' for path in links)
            self.respond(f"<!DOCTYPE html><html><body>{page}</body></html>".encode())

        def respond(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/simple", requested=requested)
    server.shutdown()
    server.server_close()


@pytest.fixture
def variables(index):
    """The environment of this process, with the hostile index beside the configured ones."""
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.extra-index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    configured = os.environ.get("PIP_EXTRA_INDEX_URL", shown.stdout.strip())
    return dict(os.environ) | {"PIP_EXTRA_INDEX_URL": f"{configured} {index.url}".strip()}


def test_pip_installs_from_the_hostile_index_by_name(index, variables, tmp_path):
    pip("install", "--quiet", "--no-deps", "--target", tmp_path, "kinomill", env=variables)

    assert (tmp_path / "kinomill" / "__init__.py").read_text() == "HOSTILE = True\n"


def test_the_install_of_the_demo_installs_our_distributions(index, variables, tmp_path):
    source = checkout(tmp_path / "checkout")
    environment = source / ".venv"
    subprocess.run(
        ["make", ".venv/.embedded", f"PYTHON={sys.executable}"],
        cwd=source,
        env={name: value for name, value in variables.items() if name != "MAKEFLAGS"},
        check=True,
        timeout=900,
    )

    code = "import kinomill, cli; print(kinomill.__file__); print(cli.__file__)"
    shown = subprocess.run(
        [environment / "bin" / "python", "-P", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == [
        str(source / "kinomill" / "__init__.py"),
        str(source / "cli" / "__init__.py"),
    ]
    assert [path for path in index.requested if path.endswith(".whl")] == []
