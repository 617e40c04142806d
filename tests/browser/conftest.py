"""A real browser before a whole Kinomill: API, maintenance and a worker as processes."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from kinomill import Client
from tests.conftest import EXAMPLES
from tests.folders import temporary_folder
from tests.running_stack import running_stack

CHROMIUM = shutil.which("chromium-headless-shell")
ROOT = Path(__file__).parents[2]
MISSING = [
    name
    for name, found in (("Chromium", CHROMIUM), ("playwright", find_spec("playwright")))
    if not found
]
MODELS = ["preview-lipsync", "tests.browser.cards:FILM"]
VIDEO_IN_PROGRESS = "net::ERR_ABORTED"
"""A browser that leaves a page aborts what it still loads."""


def pytest_collection_modifyitems(items):
    """Skip, with the reason, where there is no browser."""
    if not MISSING:
        return
    skip = pytest.mark.skip(reason=f"needs {' and '.join(MISSING)}: `make browser-test`")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(skip)


@contextmanager
def running(**variables):
    """A Kinomill with these settings beside those of all tests here."""
    with temporary_folder("browser") as home:
        own = {"KINOMILL_MODELS": json.dumps(MODELS), "PYTHONPATH": str(ROOT)}
        own["KINOMILL_HEARTBEAT_INTERVAL"] = "0.1"
        with running_stack(home, own | variables) as stack:
            yield stack


@pytest.fixture(scope="session")
def stack():
    with running() as stack:
        yield stack


@pytest.fixture
def client(stack):
    with Client(stack.url) as client:
        yield client


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    arguments += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, stack):
    """Open pages; at the end there was no error in them and no request to another host."""
    contexts, faults = [], []

    def open_one(url="/", **options):
        base = options.pop("base", stack.url)
        context = chromium.new_context(
            base_url=base, viewport={"width": 1280, "height": 900}, **options
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.faults = faults
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: _note(line, faults))
        page.on("request", lambda request: _foreign(request.url, base, faults))
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page):
    """The page at `/`."""
    return open_page()


@pytest.fixture(scope="session")
def film(stack):
    """A job of the test model that has succeeded."""
    with Client(stack.url) as client:
        return client.wait(client.submit("film", prompt="waves at night", labels={"set": "one"}))


@pytest.fixture(scope="session")
def media():
    return {"image": EXAMPLES / "face.jpg", "audio": EXAMPLES / "voice.wav"}


def _note(line, faults):
    if line.type in {"error", "warning"}:
        faults.append(f"{line.type}: {line.text} {line.location['url']}")


def _foreign(url, base, faults):
    if not url.startswith((base, "data:", "blob:")):
        faults.append(f"a request to {url}")
