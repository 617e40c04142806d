"""Workers, queues, batches and usage in a real browser."""

from __future__ import annotations

import pytest

from tests.browser.needed import NEEDED

expect = pytest.importorskip("playwright.sync_api", reason=NEEDED).expect


def test_an_operator_pauses_a_queue_and_drains_a_worker(open_page):
    page = open_page("/workers")
    page.get_by_role("button", name="Pause film").click()
    expect(page.get_by_role("button", name="Resume film")).to_be_visible()
    page.get_by_role("button", name="Resume film").click()
    expect(page.get_by_role("button", name="Pause film")).to_be_visible()
    page.get_by_role("button", name="Drain", exact=True).click()
    expect(page.locator(".worker .chip")).to_have_text("Drained")
    page.locator(".worker").get_by_role("button", name="Resume").click()

    expect(page.locator(".worker .chip")).to_have_text("Ready")


def test_a_paused_queue_is_said_where_a_job_waits(open_page, client):
    page = open_page("/workers")
    page.get_by_role("button", name="Pause film").click()
    expect(page.get_by_role("button", name="Resume film")).to_be_visible()
    job = client.submit("film", prompt="waits", steps=1)
    waiting = open_page(f"/jobs/{job.id}")
    expect(waiting.locator("[data-waiting]")).to_contain_text("paused")
    page.get_by_role("button", name="Resume film").click()

    expect(waiting.locator(".state")).to_contain_text("Succeeded", timeout=60_000)


def test_a_table_becomes_a_batch(open_page):
    page = open_page("/batches?model=film", java_script_enabled=False)
    rows = {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"prompt,steps\none,1\ntwo,1\n"}
    page.locator("#t-rows").set_input_files(rows)
    page.get_by_role("button", name="Submit the batch").first.click()
    page.wait_for_url("**/batches/batch_*")

    expect(page.locator("h1")).to_have_text("Batch of 2 rows")
    expect(page.locator(".state")).to_contain_text("Ended", timeout=60_000)


def test_a_table_with_a_wrong_row_submits_none(open_page):
    page = open_page("/batches?model=film")
    rows = {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"prompt,steps\none,999\n"}
    page.locator("#t-rows").set_input_files(rows)
    page.get_by_role("button", name="Submit the batch").first.click()

    expect(page.locator("[data-problem]")).to_contain_text("steps")
    page.faults.clear()  # the browser logs the 422


def test_many_files_become_a_batch(open_page, media):
    page = open_page("/batches?model=preview-lipsync")
    picture = media["image"].read_bytes()
    files = [
        {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": picture}
        for name in ("ann", "bob", "cleo")
    ]
    voice = {"name": "v.wav", "mimeType": "audio/wav", "buffer": media["audio"].read_bytes()}
    page.locator("#m-files").set_input_files([*files, voice])
    expect(page.locator("[data-said]")).to_have_text("3 rows")
    page.locator("[data-many]").get_by_role("button", name="Submit the batch").click()
    page.wait_for_url("**/batches/batch_*")

    expect(page.locator(".state")).to_contain_text("Ended", timeout=90_000)
    expect(page.locator(".chips")).to_contain_text("Succeeded 3")


def test_usage_counts_the_jobs(open_page, film):
    page = open_page("/usage")

    expect(page.get_by_role("region", name="By model")).to_contain_text("film")


def test_models_show_license_and_weights(open_page):
    page = open_page("/models")

    expect(page.locator(".models .panel").first).to_contain_text("Apache-2.0")
    page.get_by_role("link", name="Use this model").first.click()
    expect(page.locator(".job-form")).to_be_visible()
