"""deploy/modal/app.py: what it names exists; with the package `modal`, it also loads."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from cli.app import COMMANDS
from models.catalog import CARDS
from tests.deploy.conftest import ROOT
from workers.settings import WorkerSettings

FILE = ROOT / "deploy" / "modal" / "app.py"
TEXT = FILE.read_text()


def constants():
    """The values of the constants of the file."""
    found = {}
    for node in ast.parse(TEXT).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Tuple):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


@pytest.fixture
def app(monkeypatch):
    """The module; `make deploy-check` installs the package `modal`."""
    pytest.importorskip("modal")
    spec = importlib.util.spec_from_file_location("kinomill_modal_app", FILE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_it_copies_all_packages_of_the_server():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    found = constants()

    assert set(found["SOURCES"]) == packages - {"bench", "docs", "tests", "docker"}
    assert all((ROOT / name).is_file() for name in found["FILES"])


def test_it_runs_commands_of_kinomill():
    commands = re.findall(r'\["kinomill", "([a-z]+)"', TEXT)

    assert commands == ["models", "worker"]
    assert set(commands) <= set(COMMANDS.commands)


def test_its_variables_are_settings_and_its_models_exist():
    named = set(re.findall(r'"(KINOMILL_[A-Z_]+)"', TEXT))
    known = {f"KINOMILL_{field.upper()}" for field in WorkerSettings.model_fields}

    assert named - {"KINOMILL_URL", "KINOMILL_KEY"} <= known
    assert set(constants()["MODELS"].split(",")) <= set(CARDS)


def test_modal_accepts_the_functions(app):
    spec = app.work._spec_

    assert (spec.gpus, list(spec.volumes)) == (app.GPU, [app.WEIGHTS])
    assert {name for name in ("pull", "work", "scale") if getattr(app, name).info} == {
        *("pull", "work", "scale")
    }


@pytest.mark.parametrize(
    ("wanted", "present", "started"), [(0, 0, 0), (1, 0, 1), (9, 0, 2), (9, 1, 1), (1, 2, 0)]
)
def test_workers_are_started_up_to_the_maximum(app, wanted, present, started):
    assert app.missing(wanted, present) == started


def test_the_demand_is_that_of_its_models(app, monkeypatch):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            queues = [{"model": "musetalk", "demand": 3}, {"model": "wan2.2-i2v", "demand": 5}]
            body = json.dumps({"items": queues}).encode()
            self.send_response(200 if self.headers["Authorization"] == "Bearer key" else 401)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setenv("KINOMILL_URL", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("KINOMILL_KEY", "key")
        try:
            assert app.demand() == 3
        finally:
            thread.join()
