"""The page of a job in a real browser."""

from __future__ import annotations

import os
import signal

import pytest

from tests.browser.needed import NEEDED
from tests.browser.waiting import holds
from tests.waiting import until

expect = pytest.importorskip("playwright.sync_api", reason=NEEDED).expect


def test_a_reload_keeps_the_state(open_page, film):
    page = open_page(f"/jobs/{film.id}")
    expect(page.locator("video")).to_be_visible()
    page.reload()

    expect(page.locator(".state")).to_contain_text("Succeeded")
    expect(page.locator("video")).to_be_visible()
    expect(page.locator("h1")).to_have_text("waves at night")


def test_a_running_job_is_canceled_by_its_button(open_page, client):
    job = client.submit("film", prompt="a long one", steps=300)
    page = open_page(f"/jobs/{job.id}")
    expect(page.locator(".state")).to_contain_text("Running", timeout=30_000)
    page.get_by_role("button", name="Cancel").click()

    expect(page.locator(".state")).to_contain_text("Canceled", timeout=30_000)
    assert client.get(job.id).status == "canceled"


def test_a_failed_job_says_what_was_wrong_where_and_what_to_do(open_page, client):
    job = client.submit("film", prompt="fail")
    page = open_page(f"/jobs/{job.id}")

    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("No face was found.", timeout=30_000)
    expect(verdict).to_contain_text("image")
    expect(verdict).to_contain_text("no_face")
    expect(verdict).to_contain_text("would fail again")


def test_the_page_goes_on_when_the_api_is_killed_in_mid_stream(open_page, client, stack):
    job = client.submit("film", prompt="over a restart", steps=120)
    page = open_page(f"/jobs/{job.id}")
    expect(page.locator(".state")).to_contain_text("Running", timeout=30_000)
    page.wait_for_load_state()
    api = next(program for program in stack.programs if program.name == "api")
    os.kill(api._process.pid, signal.SIGKILL)
    until(lambda: api.restart_if_exited(), seconds=10, what="the end of the API")

    expect(page.locator(".state")).to_contain_text("Succeeded", timeout=60_000)
    expect(page.locator("video")).to_be_visible()
    page.faults.clear()  # the browser logs the refused connections


def test_a_tweak_begins_with_the_settings_of_the_job(open_page, client):
    job = client.wait(client.submit("film", prompt="first try", steps=3, mirrored=False))
    page = open_page(f"/jobs/{job.id}")
    page.get_by_role("link", name="Re-run and tweak").click()
    expect(page.locator("#f-prompt")).to_have_value("first try")
    expect(page.locator("#f-steps")).to_have_value("3")
    page.locator("#f-prompt").fill("second try")
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/jobs/job_*")

    again = client.get(page.url.rsplit("/", 1)[1])
    assert again.input["prompt"] == "second try"
    assert again.input["steps"] == 3
    assert again.input["mirrored"] is False


def test_a_job_is_deleted_after_a_question(open_page, client):
    job = client.wait(client.submit("film", prompt="to be deleted", steps=1))
    page = open_page(f"/jobs/{job.id}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/jobs")

    assert page.request.get(f"/v1/jobs/{job.id}").status == 404


def test_two_players_run_in_step(open_page, client, film):
    other = client.wait(client.submit("film", prompt="other waves", seed=99))
    page = open_page(f"/compare?a={film.id}&b={other.id}")
    holds(page, "[...document.querySelectorAll('video')].every((each) => each.readyState >= 2)")
    expect(page.locator("tr.differs", has_text="Prompt")).to_contain_text("waves at night")
    page.locator("#moment").fill("0.5")

    holds(page, "[...document.querySelectorAll('video')].every((each) => each.currentTime === 0.5)")
    page.get_by_role("button", name="Play both").click()
    holds(page, "[...document.querySelectorAll('video')].every((each) => each.currentTime > 0.6)")


def test_a_running_job_shows_the_seconds_of_its_phases(open_page, client):
    job = client.submit("film", prompt="in phases", steps=300)
    page = open_page(f"/jobs/{job.id}")
    row = page.locator("[data-phase=generating]")
    expect(row).to_have_class("active", timeout=30_000)
    before = row.locator(".secs").inner_text()
    expect(row.locator(".secs")).not_to_have_text(before)
    page.reload()
    expect(page.locator("[data-phase=preprocessing] .secs")).to_contain_text(" s")
    client.cancel(job)

    expect(page.locator("[data-phase=generating]")).to_have_class("stopped", timeout=30_000)


def test_the_log_of_a_failed_job_is_one_click_from_the_gallery(open_page, client):
    job = client.submit("film", prompt="fail")
    page = open_page("/jobs")
    card = page.locator(f"[data-job={job.id}]")
    expect(card).to_have_attribute("data-status", "failed", timeout=30_000)
    card.get_by_role("link", name="Log").click()

    expect(page.locator("#log .lines")).to_contain_text("phase=preprocessing")
    expect(page.locator("[data-phase=preprocessing]")).to_have_class("stopped")


def test_a_shared_link_shows_the_result_until_it_is_revoked(open_page, film):
    page = open_page(f"/jobs/{film.id}")
    page.get_by_role("link", name="Share").click()
    page.get_by_role("button", name="Create a link").click()
    link = page.get_by_role("textbox", name="Link").input_value()
    guest = open_page(link, java_script_enabled=False)
    expect(guest.locator("video")).to_be_visible()
    assert "waves at night" not in guest.content()
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("main")).to_contain_text("no valid link")

    assert guest.request.get(link).status == 404


def test_a_failed_job_runs_again(open_page, client):
    job = client.submit("film", prompt="fail")
    page = open_page(f"/jobs/{job.id}")
    page.get_by_role("button", name="Run again").click(timeout=30_000)
    page.wait_for_url(lambda url: "/jobs/job_" in url and job.id not in url)

    assert client.get(page.url.rsplit("/", 1)[1]).input["prompt"] == "fail"
