"""What holds for every page: colors, widths, accessibility, no JavaScript, no other host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.needed import NEEDED

expect = pytest.importorskip("playwright.sync_api", reason=NEEDED).expect

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATHS = ["/", "/?model=film", "/jobs", "/jobs/{job}", "/compare?a={job}&b={job}", "/models",
         "/workers", "/usage", "/batches", "/login", "/docs/errors"]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing(open_page, film, path, scheme):
    page = open_page(path.format(job=film.id), color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.add_script_tag(path=AXE)
    options = {"runOnly": RULES}
    found = page.evaluate(f"axe.run({json.dumps(options)})")["violations"]

    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []


@pytest.mark.parametrize("path", [*PATHS, "/docs"])
def test_nothing_is_wider_than_360_pixels(open_page, film, path):
    page = open_page(path.format(job=film.id))
    page.set_viewport_size({"width": 360, "height": 780})

    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_dark_mode_is_dark(open_page):
    colors = {
        scheme: open_page("/", color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    }

    assert colors == {"light": "rgb(250, 248, 245)", "dark": "rgb(19, 17, 16)"}


def test_submit_poll_and_watch_without_javascript(open_page, media):
    page = open_page("/", java_script_enabled=False)
    page.locator("#f-image").set_input_files(media["image"])
    page.locator("#f-audio").set_input_files(media["audio"])
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/jobs/job_*")

    expect(page.locator("video")).to_be_visible(timeout=60_000)
    assert page.locator("video").get_attribute("src").endswith("/result")


def test_an_error_is_at_its_field_without_javascript(open_page):
    page = open_page("/?model=film", java_script_enabled=False)
    page.locator("#f-prompt").fill("waves")
    page.locator(".fold summary").first.click()
    page.locator("#f-steps").fill("999")
    page.get_by_role("button", name="Create video").click()

    expect(page.locator("#f-steps-error")).to_contain_text("400")
    expect(page.locator("#f-prompt")).to_have_value("waves")
    page.faults.clear()


def test_the_gallery_filters_and_links(open_page, film):
    page = open_page("/jobs?label=set:one")
    cards = page.locator(".card")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("waves at night")
    page.locator("select[name=status]").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".empty")).to_contain_text("No job fits")
    page.goto("/jobs?label=set:one")
    page.locator(".card .shot").click()

    expect(page.locator("h1")).to_have_text("waves at night")


def test_many_live_jobs_cost_one_stream_at_most(open_page, client):
    jobs = [client.submit("film", prompt=f"number {each}", steps=1) for each in range(8)]
    streams = []
    page = open_page("about:blank")
    page.on("request", lambda request: "/events" in request.url and streams.append(request.url))
    page.goto("/jobs")
    for job in jobs:
        card = page.locator(f"[data-job={job.id}]")
        expect(card).to_have_attribute("data-status", "succeeded", timeout=60_000)

    assert len(streams) <= 1


def test_the_keyboard_reaches_the_content_and_the_form(page):
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    expect(page.locator(".picker a").first).to_be_focused()


def test_the_documentation_is_drawn_from_own_files(open_page):
    page = open_page("/docs")

    expect(page.locator(".opblock").first).to_be_visible(timeout=30_000)


def test_nothing_moves_while_a_page_loads(open_page, film):
    for path in ("/", f"/jobs/{film.id}", "/jobs"):
        page = open_page(path)
        page.wait_for_load_state("networkidle")
        shift = page.evaluate(
            """() => new Promise((done) => {
              let sum = 0;
              new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) sum += entry.value;
              }).observe({ type: "layout-shift", buffered: true });
              setTimeout(() => done(sum), 300);
            })"""
        )
        assert shift < 0.02, path
