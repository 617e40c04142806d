"""The pages of a server that needs keys."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cli.settings import environment
from tests.browser.conftest import running
from tests.browser.needed import NEEDED
from tests.browser.waiting import holds

expect = pytest.importorskip("playwright.sync_api", reason=NEEDED).expect


@pytest.fixture(scope="module")
def locked():
    with running(KINOMILL_AUTH="keys") as stack:
        yield stack


@pytest.fixture
def key(locked):
    command = [sys.executable, "-m", "cli.main", "keys", "create", "browser"]
    env = environment(DATABASE_URL=locked.database_url)
    made = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return next(word for word in made.stdout.split() if word.startswith("km_"))


def test_a_key_opens_the_pages_and_their_media(open_page, locked, key):
    page = open_page("/jobs", base=locked.url)
    expect(page.get_by_label("API key")).to_be_visible()
    page.get_by_label("API key").fill("km_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#key-error")).to_be_visible()
    page.faults.clear()  # the browser logs the 401
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1")).to_have_text("Jobs")

    page.goto("/")
    page.get_by_role("button", name="Run the example").click()
    page.wait_for_url("**/jobs/job_*")
    expect(page.locator("video")).to_be_visible(timeout=60_000)
    holds(page, "document.querySelector('video').readyState >= 2")
    assert key not in page.evaluate("JSON.stringify([document.cookie, {...localStorage}])")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
